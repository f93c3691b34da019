"""The keys of a scheduler configuration that are followed, each of its kind and in its range before any is used."""

from collections.abc import Mapping
from typing import Any

from marigold.core.config import decode, require
from marigold.core.errors import ConfigError
from marigold.core.find import unknown
from marigold.core.limits import TIMES

_SCALING = 1e6

# A flag that is null is off, as diffusers takes it.
_KINDS: dict[str, Any] = {
    "num_train_timesteps": int,
    "beta_start": float,
    "beta_end": float,
    "beta_schedule": str,
    "trained_betas": tuple[float, ...] | None,
    "rescale_betas_zero_snr": bool | None,
    "set_alpha_to_one": bool | None,
    "thresholding": bool | None,
    "prediction_type": str,
    "timestep_spacing": str,
    "steps_offset": int,
    "original_inference_steps": int,
    "timestep_scaling": float,
}


_OTHERS = ("_class_name", "_diffusers_version", "clip_sample", "clip_sample_range", "dynamic_thresholding_ratio")
_OTHERS += ("sample_max_value", "skip_prk_steps", "variance_type")
"""Keys that schedulers of diffusers have and that are not followed."""


def check_keys(config: Mapping[str, Any], path: str) -> None:
    """Raises `ConfigError` for a key that no scheduler has, as of a slip of the pen in a recipe."""
    known = (*_KINDS, *_OTHERS)
    for key in config:
        if key not in known:
            raise ConfigError(f"{path}.{key}: {unknown('key', str(key), known)}")


def checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with its known keys as the kinds that they stand for; others stay as they are.

    Raises `ConfigError` naming the first key whose value cannot be used.
    """
    betas = config.get("trained_betas")
    if isinstance(betas, list | tuple) and len(betas) > TIMES:
        raise ConfigError(f"scheduler: trained_betas has {len(betas)} entries; {TIMES} are the most")
    known = {key: decode(kind, config[key], _path(key)) for key, kind in _KINDS.items() if key in config}
    for key, least in (("num_train_timesteps", 1), ("steps_offset", 0)):
        require(least <= known.get(key, least) <= TIMES, _path(key), _shown(known.get(key)), f"from {least} to {TIMES}")
    scaling = known.get("timestep_scaling", 1.0)
    require(0 < scaling <= _SCALING, _path("timestep_scaling"), scaling, f"above 0 and at most {_SCALING:g}")
    _check_betas(known)
    return {**config, **known}


def _check_betas(known: Mapping[str, Any]) -> None:
    given = known.get("trained_betas")
    length = known.get("num_train_timesteps", len(given or (0,)))
    if given is not None and len(given) != length:
        raise ConfigError(f"scheduler: {len(given)} trained_betas for num_train_timesteps {length}; make the two agree")
    ends = [(key, known[key]) for key in ("beta_start", "beta_end") if key in known]
    for key, beta in (*ends, *(("trained_betas", beta) for beta in given or ())):
        require(0 <= beta <= 1, _path(key), beta, "from 0 to 1")


def _shown(number: Any) -> Any:
    return "a number of hundreds of digits" if isinstance(number, int) and number.bit_length() > 1000 else number


def _path(key: str) -> str:
    return f"scheduler: {key}"
