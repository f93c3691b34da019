"""How much memory is to be had, so that work which does not fit is refused ahead of the system's killer.

The least of: what the system has available, what the control groups of this process leave (versions 1 and 2), and
what its limit of address space leaves.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from marigold.core.errors import MarigoldError

_PROC = Path("/proc")
_GROUPS = Path("/sys/fs/cgroup")
_GROUP_FILES = (
    (_GROUPS, "memory.max", "memory.current", "inactive_file"),
    (_GROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Of each version: where its groups are, a group's limit, what it uses, and the share of that which is given back."""


def available_bytes() -> int | None:
    """Bytes that this process can still take, 0 or more; None where the system does not say."""
    known = [left for left in (_of_system(), _of_address_space(), *_of_groups()) if left is not None]
    return max(0, min(known)) if known else None


def require_memory(needed: float, what: str, raises: type[MarigoldError], remedy: str) -> None:
    """Raises `raises` when `what` needs more bytes than there are; where the system does not say, nothing is refused.

    The message: `{what} needs about 3.2 GB of memory, of which 1.5 GB are available; {remedy}`.
    """
    require_of(available_bytes(), needed, what, raises, remedy)


def require_of(available: int | None, needed: float, what: str, raises: type[MarigoldError], remedy: str) -> None:
    """As `require_memory`, of a memory with so many bytes `available`; None where that is not known."""
    if available is not None and needed > available:
        figures = f"about {needed / 1e9:.1f} GB of memory, of which {available / 1e9:.1f} GB are available"
        raise raises(f"{what} needs {figures}; {remedy}")


def _of_system() -> int | None:
    """What is free or can be given back at once; where only the size of the memory is known, that."""
    found = _table(_PROC / "meminfo").get("MemAvailable:")
    if found is not None:
        return found * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _of_address_space() -> int | None:
    try:
        import resource
    except ImportError:
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = _first_number(_PROC / "self" / "statm")
    return None if limit == resource.RLIM_INFINITY or pages is None else limit - pages * resource.getpagesize()


def _of_groups() -> Iterator[int]:
    """What each group with a limit leaves, of this process's own and those around it."""
    lines = [line.split(":", 2) for line in _text(_PROC / "self" / "cgroup").splitlines()]
    names = {line[2] for line in lines if len(line) == 3 and line[1] in ("", "memory")}
    for root, limit, usage, cache in _GROUP_FILES:
        # In a container its own group is often the root, whatever it is called outside.
        own = {root.joinpath(*Path(name).parts[1:]) for name in names} | {root}
        for folder in {around for group in own for around in (group, *group.parents) if around.is_relative_to(root)}:
            most, used = _first_number(folder / limit), _first_number(folder / usage)
            if most is not None and used is not None:
                yield most - used + _table(folder / "memory.stat").get(cache, 0)


def _table(path: Path) -> dict[str, int]:
    """Names and numbers, a pair a line."""
    words = (line.split() for line in _text(path).splitlines())
    return {line[0]: int(line[1]) for line in words if len(line) > 1 and line[1].isdecimal()}


def _first_number(path: Path) -> int | None:
    word = next(iter(_text(path).split()), "")
    return int(word) if word.isdecimal() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
