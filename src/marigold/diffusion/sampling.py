"""How an answer is sampled: the steps and times that were asked for, fitted to what a checkpoint is made for."""

from dataclasses import dataclass, replace

from marigold.checkpoints.convention import Convention, Spacing
from marigold.diffusion.schedule import Schedule


@dataclass(frozen=True)
class Sampling:
    """The number of steps, the schedule that they are taken from, and what differs from what was asked for."""

    steps: int
    schedule: Schedule
    notes: tuple[str, ...] = ()
    deterministic: bool = False
    """Nothing random goes in: all members of an ensemble are the same."""

    @property
    def draws(self) -> int:
        """The noises that one answer takes: its start and, for a consistency model, one between every two steps."""
        return self.steps if self.schedule.consistency else 1


def fit(schedule: Schedule, convention: Convention, steps: int, spacing: Spacing = "auto") -> Sampling:
    """The sampling for so many steps.

    Sampling starts from pure noise, which is what a network was taught at the last time. `leading` times begin before
    it, the more so the fewer they are: at time 1 of 1000 for one step (Garcia et al. 2024, sec. 3). `auto` takes
    trailing times instead, with a note; `published` keeps what the checkpoint states, `trailing` never does. A
    scheduler of another kind than DDIM's or LCM's gets a note as well: its times are taken, its steps are not. Raises
    `ConfigError` for more steps than there are times.
    """
    found = _fitted(schedule, convention, steps, spacing)
    if not convention.single_step:
        found.schedule.times(found.steps)
    return found


def _fitted(schedule: Schedule, convention: Convention, steps: int, spacing: Spacing) -> Sampling:
    if convention.single_step:
        note = f"the checkpoint answers in one step; {steps} were asked for"
        return Sampling(1, schedule, (note,) if steps != 1 else (), convention.deterministic)
    deterministic = convention.deterministic and not schedule.consistency
    notes = (f"the steps of `{kind}` are not known here; took DDIM steps",) if (kind := schedule.unfollowed) else ()
    as_it_is = Sampling(steps, schedule, notes, deterministic)
    if schedule.consistency or spacing == "published" or schedule.spacing == "trailing":
        return as_it_is
    first = schedule.times(steps)[0] if spacing == "auto" else None
    trailing = schedule.with_spacing("trailing")
    if first == trailing.times(steps)[0] or (spacing == "auto" and schedule.blind_at_the_end):
        return as_it_is
    note = f"`{schedule.spacing}` times start at {first} of {schedule.length}; took `trailing` ones (see --spacing)"
    return replace(as_it_is, schedule=trailing, notes=(*notes, note) if spacing == "auto" else notes)
