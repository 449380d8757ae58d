"""What the metadata of our files must be: types, ranges, and lengths that fit each other.

Whoever wrote a file may have been a newer edaphos_bridge, or a damaged disk. Keys that are not
known pass; those that are known are checked here, before anything is built from them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from edaphos_bridge.errors import EdaphosError, WeightsError

Check = Callable[[Any], bool]

# What builds a module must not take more than the tensors of a file can have.
_LARGEST = 2**31 - 1
_LARGEST_IN_R = 2**53


_FAILURES = (
    KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RuntimeError,
    RecursionError, MemoryError,
)  # fmt: skip


@contextmanager
def damaged_description() -> Iterator[None]:
    """Turn what fails while something is built from a file into `WeightsError`."""
    try:
        yield
    except EdaphosError:
        raise
    except _FAILURES as error:
        text = repr(error)[:300]
        raise WeightsError(f"The description in this file is damaged: {text}") from error


# --- values ------------------------------------------------------------------------------


def is_whole(value: Any) -> bool:
    """Return whether a value is a positive whole number that a size can be."""
    return type(value) is int and 0 < value <= _LARGEST


def of_type(kind: type) -> Check:
    """Return a check for values of a type."""
    return lambda value: isinstance(value, kind)


is_text, is_flag, is_table = of_type(str), of_type(bool), of_type(dict)


def is_patch_size(value: Any) -> bool:
    """Return whether a value is a height and a width."""
    return list_of(is_whole)(value) and len(value) == 2


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number."""
    return type(value) in (int, float) and abs(value) < math.inf


def is_share(value: Any) -> bool:
    """Return whether a value is a number between 0 and 1."""
    return is_number(value) and 0 <= value <= 1


def is_count(value: Any) -> bool:
    """Return whether a value is a count that R's integers hold."""
    return type(value) is int and 0 <= value < 2**31


def list_of(check: Check) -> Check:
    """Return a check for a list that is not empty, all of whose values pass `check`."""
    return lambda value: isinstance(value, list) and bool(value) and all(map(check, value))


def one_of(*allowed: str) -> Check:
    """Return a check for these strings."""
    return lambda value: isinstance(value, str) and value in allowed


def check(metadata: Any, checks: Mapping[str, Check]) -> dict[str, Any]:
    """Return the values of `checks`' keys, or raise `WeightsError` for the first that is wrong."""
    if not isinstance(metadata, dict):
        raise WeightsError("The description in this file is damaged: it is no table of values.")
    for name, is_right in checks.items():
        if name not in metadata:
            raise WeightsError(f"The description in this file is damaged: it has no {name!r}.")
        if not is_right(metadata[name]):
            raise WeightsError(
                f"The description in this file is damaged: {name!r} is {repr(metadata[name])[:60]}."
            )
    return {name: metadata[name] for name in checks}


def require(holds: bool, problem: str) -> None:
    """Raise `WeightsError` with `problem` unless it `holds`."""
    if not holds:
        raise WeightsError(f"The description in this file is damaged: {problem}.")


def settings_of(checked: Callable[..., Any], config: dict[str, Any], **more: Any) -> Any:
    """Return the settings that `checked` makes of a config, which must be theirs to the type."""
    try:
        settings = checked(**config, **more)
    except _FAILURES as error:  # InputError is a ValueError
        text = str(error)[:300]
        raise WeightsError(f"The description in this file is damaged: {text}") from error
    for name, value in settings.config().items():
        found = config.get(name, value)  # as "epochs", which only a finished run has
        same = type(found) is type(value) and found == value
        require(
            same and not (type(value) is int and abs(value) > _LARGEST_IN_R),
            f"{name!r} is {repr(found)[:60]}",
        )
    return settings


def require_form(
    what: str, own: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]
) -> None:
    """Raise `WeightsError` unless tensors of a file have the names, shapes and types of `own`."""
    form, other = ({n: (t.dtype, t.shape) for n, t in ts.items()} for ts in (own, found))
    if form != other:
        wrong = sorted(n for n in form.keys() | other.keys() if form.get(n) != other.get(n))
        raise WeightsError(f"The saved state does not fit the {what}: {', '.join(wrong[:5])}.")


# What every file of a training says of it.
RECORD: dict[str, Check] = {
    "loss_history": list_of(is_number),
    "config": is_table,
    "device": one_of("cpu", "mps", "cuda"),
    "in_channels": is_whole,
    "patch_size": is_patch_size,
}


# --- encoders ----------------------------------------------------------------------------

_WIDTHS: dict[str, Check] = dict.fromkeys(("in_channels", "feature_dim", "proj_dim"), is_whole)
_XRESNET: dict[str, Check] = {
    **dict.fromkeys(("in_channels", "width", "feature_dim"), is_whole),
    "stem": one_of("standard", "small"),
}
ENCODERS: dict[str, dict[str, Check]] = {
    **dict.fromkeys(("moco", "simclr"), _WIDTHS),
    "rotation": dict.fromkeys(("in_channels", "feature_dim", "patch_size"), is_whole),
    **dict.fromkeys(("xresnet18", "xresnet34", "xresnet50"), _XRESNET),
    "from_scratch": dict.fromkeys(("in_channels", "feature_dim"), is_whole),
    "custom": {"class": is_text},
}
"""What a file says of an encoder of each architecture, a module of a user's own among them."""
_OF_TWO_SENSORS: dict[str, Check] = {
    "sensors": one_of("mean", "concat"),
    "channels": lambda value: list_of(is_whole)(value) and len(value) == 2,
    "stem": lambda value: value is None or is_text(value),
}


def check_encoder(description: Any, **sizes: int) -> dict[str, Any]:
    """Return what `rebuild_encoder` takes, checked; see `describe_encoder`.

    What else the file says of `sizes` must be what an encoder of ours says of itself.
    """
    _check_made_from(description, (*ENCODERS, "sensors"))
    orientation = description.get("patch_orientation")  # older files have none
    known = one_of("rows_first", "transposed")
    require(orientation is None or known(orientation), "'patch_orientation' is no orientation")
    if description.get("normalisation") is not None:
        check_normalisation(description["normalisation"])
    for name, value in sizes.items():
        require(description.get(name, value) == value, f"two values of {name!r} differ")
    return dict(description)


def _check_made_from(description: Any, known: Sequence[str]) -> dict[str, Any]:
    """Return the description of an encoder of a known architecture, with all that this needs."""
    architecture = check(description, {"architecture": one_of(*known)})["architecture"]
    if architecture == "sensors":
        _check_sensors(description)
        return dict(description)
    check(description, ENCODERS[architecture])
    if architecture == "custom" and "sensors" in description:
        check(description, _OF_TWO_SENSORS)
    return dict(description)


def _check_sensors(description: Any) -> None:
    """Check what an encoder of two sensors is made from, which must fit its body."""
    found = check(
        description,
        {
            **dict.fromkeys(("in_channels", "feature_dim"), is_whole),
            **_OF_TWO_SENSORS,
        },
    )
    ours = tuple(name for name in ENCODERS if name != "custom")
    body, channels = _check_made_from(description.get("body"), ours), found["channels"]
    wide = 2 if found["sensors"] == "concat" else 1
    widths = [found["in_channels"], found["feature_dim"], description.get("proj_dim")]
    projected = body.get("proj_dim") if wide == 1 else None
    expected = [sum(channels), wide * body["feature_dim"], projected]
    is_same = widths == expected and body["in_channels"] == channels[0]
    require(is_same, "the widths of the encoder are not those of its body")
    require(found["stem"] is not None or len({*channels}) == 1, "the encoder has no stem")


def check_normalisation(values: Any) -> None:
    """Check what `Normalisation.from_dict` takes."""
    check(
        values,
        {
            "bands": list_of(is_text),
            "means": list_of(is_number),
            "sds": list_of(is_number),
            "normalise": is_flag,
            "patch_size": is_whole,
        },
    )
    size, crs = values.get("cell_size"), values.get("crs")  # older files have none
    is_pair = list_of(lambda number: is_number(number) and number > 0)
    require(size is None or (is_pair(size) and len(size) == 2), "'cell_size' is no pair of sizes")
    require(crs is None or is_text(crs), "'crs' is no text")
