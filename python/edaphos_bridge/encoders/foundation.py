"""`foundation_encoder()`: encoders by name, and their states in files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeGuard

import torch
from torch import nn

from edaphos_bridge.basics.ambient import plain_torch
from edaphos_bridge.basics.arguments import choice, seed_number, whole
from edaphos_bridge.basics.devices import on_meta
from edaphos_bridge.basics.memory import check_memory
from edaphos_bridge.basics.seeding import Randomness, draw_seed
from edaphos_bridge.data.normalisation import Normalisation, normalisation_of
from edaphos_bridge.data.orientation import ROWS_FIRST, as_orientation, orientation_of
from edaphos_bridge.encoders.copying import own_copy
from edaphos_bridge.encoders.from_scratch import FromScratchEncoder
from edaphos_bridge.encoders.moco import MoCoEncoder
from edaphos_bridge.encoders.named import NamedEncoder
from edaphos_bridge.encoders.rotation import RotationEncoder
from edaphos_bridge.encoders.sensors import SensorEncoder
from edaphos_bridge.encoders.simclr import SimCLREncoder
from edaphos_bridge.encoders.xresnet import STEMS, XResNet18, XResNet34, XResNet50
from edaphos_bridge.errors import InputError, WeightsError

ARCHITECTURES: dict[str, type[NamedEncoder]] = {
    encoder_class.architecture: encoder_class
    for encoder_class in (
        MoCoEncoder,
        SimCLREncoder,
        RotationEncoder,
        XResNet18,
        XResNet34,
        XResNet50,
    )
}
"""Those that a user may name."""

IN_FILES: dict[str, type[NamedEncoder]] = {
    **ARCHITECTURES,
    FromScratchEncoder.architecture: FromScratchEncoder,
}
"""Those that files hold by name."""

OurEncoder = NamedEncoder | SensorEncoder
"""What a file can hold all of; see `is_ours`."""

_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(("feature_dim", "proj_dim", "patch_size", "width"), whole),
    "stem": partial(choice, allowed=STEMS),
}
"""How each setting of an encoder is checked."""

_NEEDED = ("patch_size",)
"""Those that have no default."""


def foundation_encoder(
    architecture: str,
    in_channels: int,
    *,
    feature_dim: int | None = None,
    proj_dim: int | None = None,
    width: int | None = None,
    stem: str | None = None,
    patch_size: int | None = None,
    seed: int | None = None,
) -> NamedEncoder:
    """Return an untrained encoder: the from-scratch baseline, and what pretraining begins with.

    Parameters
    ----------
    architecture : {"moco", "simclr", "rotation", "xresnet18", "xresnet34", "xresnet50"}
        One of the two encoders of edaphos; the network of the rotation pretext task, two 2x2
        convolutions and a dense layer with dropout; or fastai's XResNet of that many layers.
    in_channels : int
        Channels C of the patches ``(N, C, H, W)``.
    feature_dim, proj_dim : int, optional
        Of "moco" and "simclr": widths of the features and of the projection; by default edaphos'
        own, 64 and 32 for "moco", 32 and 16 for "simclr". "rotation" has 256 features by default,
        and no projection.
    width : int, optional
        Of an XResNet: channels of its first stage, 64 by default. Its features have 8 times as
        many, those of "xresnet50" 32 times; it has no projection.
    stem : {"standard", "small"}, optional
        Of an XResNet: whether height and width are quartered before the first stage, as by
        default, or left as they are, for small patches. The last map has a 32nd, or an 8th, of the
        patch's rows and columns.
    patch_size : int, optional
        Of "rotation", which needs it: height and width of its patches in cells, at least 4. The
        others take patches of any size.
    seed : int, optional
        Seed of the initial weights; None draws one from the operating system.

    Returns
    -------
    MoCoEncoder, SimCLREncoder, RotationEncoder or XResNet
        A ``torch.nn.Module`` from float32 ``(B, C, H, W)`` to ``(B, feature_dim)``.

    Raises
    ------
    InputError
        If an argument is not one of those values, or not one of this architecture.

    Examples
    --------
    >>> import torch
    >>> encoder = foundation_encoder("moco", in_channels=4, seed=1)
    >>> encoder(torch.zeros(2, 4, 9, 9)).shape
    torch.Size([2, 64])
    >>> encoder = foundation_encoder("xresnet18", in_channels=4, width=8, stem="small", seed=1)
    >>> encoder(torch.zeros(2, 4, 9, 9)).shape
    torch.Size([2, 64])
    """
    given = {
        "feature_dim": feature_dim,
        "proj_dim": proj_dim,
        "width": width,
        "stem": stem,
        "patch_size": patch_size,
    }
    return make_encoder(architecture, in_channels, given, seed, draw_seed)


def make_encoder(
    architecture: str,
    in_channels: int,
    given: Mapping[str, Any],
    seed: int | None,
    draw: Callable[[], int],
) -> NamedEncoder:
    """Return what `foundation_encoder` does.

    Of the settings `given` those that are None have their default; `draw` gives the seed when there
    is none.
    """
    encoder_class = ARCHITECTURES[choice("architecture", architecture, tuple(ARCHITECTURES))]
    settings = {"in_channels": whole("in_channels", in_channels)}
    for name, value in given.items():
        is_own = name in encoder_class.settings
        if value is None and not (is_own and name in _NEEDED):
            continue
        if not is_own:
            raise InputError(
                name,
                f"is no setting of {architecture!r}, which has "
                f"{' and '.join(encoder_class.settings[1:])}",
                found=value,
            )
        settings[name] = _CHECKS[name](name, value)
    number = None if seed is None else seed_number(seed)
    check_size(encoder_class, **settings)
    randomness = Randomness(draw() if number is None else number)
    with plain_torch(), randomness.everywhere():
        return encoder_class(**settings)


def check_size(encoder_class: Callable[..., NamedEncoder], **settings: Any) -> int:
    """Return the width of the features of an encoder with these settings.

    Raises `InputError` if it has weights that no memory could hold.
    """
    found = ", ".join(f"{name} = {value}" for name, value in settings.items())
    widths = {name: value for name, value in settings.items() if isinstance(value, int)}
    widest = max(widths, key=lambda name: widths[name])
    try:
        with on_meta():
            encoder = encoder_class(**settings)
            weights = encoder.state_dict().values()
    except RuntimeError as error:  # their number does not even fit in 64 bits
        raise InputError(
            widest, "asks for more weights than can be counted", found=found
        ) from error
    check_memory(widest, sum(weight.nbytes for weight in weights), found)
    return encoder.feature_dim


def is_ours(module: nn.Module) -> TypeGuard[OurEncoder]:
    """Return whether a file can hold all of an encoder: it is one of ours, or two sensors' of one.

    It may have been changed since; see `is_as_built`.
    """
    body = module.body if type(module) is SensorEncoder else module
    return type(body) in IN_FILES.values()


def describe_encoder(module: nn.Module) -> dict[str, Any]:
    """Return what `rebuild_encoder` needs besides the weights, as JSON values."""
    carried = normalisation_of(module)
    carries = {
        "normalisation": None if carried is None else carried.to_dict(),
        "patch_orientation": orientation_of(module),
    }
    if is_ours(module):
        names = dict.fromkeys((*module.settings, "in_channels", "feature_dim"))
        made_from = {name: getattr(module, name) for name in names}
        if isinstance(module, SensorEncoder):
            made_from["body"] = describe_encoder(module.body)
            if hasattr(module, "proj_dim"):
                made_from["proj_dim"] = module.proj_dim
        return {"architecture": module.architecture, **made_from, **carries}
    two = {}
    if isinstance(module, SensorEncoder):
        two = {name: getattr(module, name) for name in module.settings}
        module = module.body
    own_class = f"{type(module).__module__}.{type(module).__qualname__}"
    return {"architecture": "custom", "class": own_class, **two, **carries}


def rebuild_encoder(
    description: Mapping[str, Any], state: Mapping[str, torch.Tensor], given: nn.Module | None
) -> nn.Module:
    """Return an encoder of a description and a state dict, with what it carried beside them.

    The description is that of `describe_encoder`. A module of the user's own is needed where it
    says "custom"; a copy of the one `given` is filled, which may be what two sensors share. Raises
    `WeightsError` if it is needed and missing, or the weights do not fit it.
    """
    architecture = description["architecture"]
    if given is not None:
        module = own_copy(given)
        if "sensors" in description:
            module = (
                module.of(description["sensors"])
                if isinstance(module, SensorEncoder)
                else _around(module, description)
            )
        into_meta = False
    elif architecture == "custom":
        raise WeightsError(
            f"The encoder of this classifier is a module of your own ({description['class']}), "
            "and a file holds weights, not code. Build that module and give it as `encoder=`."
        )
    else:
        # On "meta" nothing is allocated before the shapes in the file are known to fit.
        try:
            with on_meta():
                made = built(description)
        except InputError as error:
            raise WeightsError(f"No encoder has the settings in this file: {error}") from error
        if made.feature_dim != description["feature_dim"]:
            raise WeightsError(
                f"The description in this file is damaged: an encoder of {architecture!r} with its "
                f"settings has {made.feature_dim} features, not {description['feature_dim']}."
            )
        module, into_meta = made, True
    fill(module, state, "encoder", assign=into_meta)
    normalisation = description.get("normalisation")
    if normalisation is not None:
        module.normalisation = Normalisation.from_dict(normalisation)  # type: ignore[assignment]
        try:
            check_bands(module)
        except InputError as error:
            raise WeightsError(
                "The normalisation in this file is of another number of bands."
            ) from error
    # Files of earlier versions hold encoders that saw patches as this package cuts them.
    orientation = as_orientation(description.get("patch_orientation", ROWS_FIRST))
    if orientation != orientation_of(module):
        module.patch_orientation = orientation  # type: ignore[assignment]
    return module


def built(description: Mapping[str, Any]) -> OurEncoder:
    """Return an untrained encoder of ours, or raise `WeightsError` if it is none.

    It draws its weights, in the order in which a run draws those of its first encoder.
    """
    architecture = description["architecture"]
    if architecture == SensorEncoder.architecture:
        return _around(built(description["body"]), description)
    if architecture not in IN_FILES:
        raise WeightsError(f"Unknown encoder architecture {architecture!r} in the file.")
    encoder_class = IN_FILES[architecture]
    return encoder_class(**{name: description[name] for name in encoder_class.settings})


def _around(body: nn.Module, description: Mapping[str, Any]) -> SensorEncoder:
    """Return the encoder of two sensors that a description makes of what they share."""
    made_from = {name: description[name] for name in SensorEncoder.settings}
    try:
        return SensorEncoder(body, **made_from)
    except (AttributeError, TypeError, InputError) as error:  # no such convolution
        raise WeightsError(
            f"The saved weights do not fit the encoder ({type(body).__name__}): {error}"
        ) from error


def check_bands(module: nn.Module) -> None:
    """Raise `InputError` if an encoder of ours carries a normalisation of other channels."""
    carried = normalisation_of(module)
    channels = getattr(module, "in_channels", None)
    if is_ours(module) and carried and len(carried.bands) != channels:
        raise InputError(
            "normalisation",
            f"must be of {channels} bands, the channels of the encoder",
            found=len(carried.bands),
        )


def encoder_state(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return the state dict of an encoder, in the types that `rebuild_encoder` expects of a file.

    A module of the user's own is kept as it is.
    """
    state: dict[str, torch.Tensor] = module.state_dict()
    return as_float32(state, "encoder") if is_ours(module) else state


def as_float32(state: dict[str, torch.Tensor], what: str) -> dict[str, torch.Tensor]:
    """Return a state dict with the weights in float32: ``.double()`` or ``.half()`` made others.

    Raises `InputError` if float32 would change a weight.
    """
    for name, tensor in state.items():
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            state[name] = tensor.float()
            if not torch.equal(state[name].to(tensor.dtype).nan_to_num(), tensor.nan_to_num()):
                raise InputError(
                    what,
                    f"must have weights that float32 can hold, as files do, and {name} is not",
                    found=tensor.dtype,
                    hint=f"Round them with {what}.float().",
                )
    return state


def fill(module: nn.Module, state: Mapping[str, torch.Tensor], what: str, *, assign: bool) -> None:
    """Load `state` into `module`, every name and shape, or raise `WeightsError`."""
    if assign:  # else torch casts
        own = module.state_dict()
        wrong = [name for name in own if name in state and state[name].dtype != own[name].dtype]
        if wrong:
            raise WeightsError(f"The saved weights of the {what} are of another type: {wrong}.")
    try:
        module.load_state_dict(dict(state), strict=True, assign=assign)
    except RuntimeError as error:
        raise WeightsError(
            f"The saved weights do not fit the {what} ({type(module).__name__}): {error}"
        ) from error
