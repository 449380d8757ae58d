"""`foundation_encoder()`: the encoders of edaphos by name, and their states in files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

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
from edaphos_bridge.encoders.moco import MoCoEncoder
from edaphos_bridge.encoders.sensors import SensorEncoder
from edaphos_bridge.encoders.simclr import SimCLREncoder
from edaphos_bridge.errors import InputError, WeightsError

OurEncoder = MoCoEncoder | SimCLREncoder | SensorEncoder
"""What a file can hold all of; see `is_ours`."""

ARCHITECTURES: dict[str, type[MoCoEncoder] | type[SimCLREncoder]] = {
    "moco": MoCoEncoder,
    "simclr": SimCLREncoder,
}


def foundation_encoder(
    architecture: str,
    in_channels: int,
    *,
    feature_dim: int | None = None,
    proj_dim: int | None = None,
    seed: int | None = None,
) -> MoCoEncoder | SimCLREncoder:
    """Return an untrained encoder of edaphos: the from-scratch baseline.

    Parameters
    ----------
    architecture : {"moco", "simclr"}
        Which of the two encoders.
    in_channels : int
        Channels C of the patches ``(N, C, H, W)``.
    feature_dim, proj_dim : int, optional
        Widths of the features and of the projection; by default edaphos' own, 64 and 32
        for "moco", 32 and 16 for "simclr".
    seed : int, optional
        Seed of the initial weights; None draws one from the operating system.

    Returns
    -------
    MoCoEncoder or SimCLREncoder
        A ``torch.nn.Module`` from float32 ``(B, C, H, W)`` to ``(B, feature_dim)``.

    Raises
    ------
    InputError
        If an argument is not one of those values.

    Examples
    --------
    >>> import torch
    >>> encoder = foundation_encoder("moco", in_channels=4, seed=1)
    >>> encoder(torch.zeros(2, 4, 9, 9)).shape
    torch.Size([2, 64])
    """
    return make_encoder(architecture, in_channels, feature_dim, proj_dim, seed, draw_seed)


def make_encoder(
    architecture: str,
    in_channels: int,
    feature_dim: int | None,
    proj_dim: int | None,
    seed: int | None,
    draw: Callable[[], int],
) -> MoCoEncoder | SimCLREncoder:
    """Return what `foundation_encoder` does; `draw` gives the seed when there is none."""
    encoder_class = ARCHITECTURES[choice("architecture", architecture, tuple(ARCHITECTURES))]
    widths = {"in_channels": whole("in_channels", in_channels)}
    if feature_dim is not None:
        widths["feature_dim"] = whole("feature_dim", feature_dim)
    if proj_dim is not None:
        widths["proj_dim"] = whole("proj_dim", proj_dim)
    number = None if seed is None else seed_number(seed)
    check_size(encoder_class, **widths)
    randomness = Randomness(draw() if number is None else number)
    with plain_torch(), randomness.everywhere():
        return encoder_class(**widths)


def check_size(encoder_class: Callable[..., nn.Module], **widths: int) -> None:
    """Raise `InputError` if an encoder of these widths has weights that no memory could hold."""
    found = ", ".join(f"{name} = {width}" for name, width in widths.items())
    widest = max(widths, key=lambda name: widths[name])
    try:
        with on_meta():
            weights = encoder_class(**widths).state_dict().values()
    except RuntimeError as error:  # their number does not even fit in 64 bits
        raise InputError(
            widest, "asks for more weights than can be counted", found=found
        ) from error
    check_memory(widest, sum(weight.nbytes for weight in weights), found)


def describe_encoder(module: nn.Module) -> dict[str, Any]:
    """Return what `rebuild_encoder` needs besides the weights, as JSON values."""
    carried = normalisation_of(module)
    carries = {
        "normalisation": None if carried is None else carried.to_dict(),
        "patch_orientation": orientation_of(module),
    }
    for architecture, encoder_class in ARCHITECTURES.items():
        if type(module) is encoder_class:
            return {
                "architecture": architecture,
                "in_channels": module.in_channels,
                "feature_dim": module.feature_dim,
                "proj_dim": module.proj_dim,
                **carries,
            }
    if is_ours(module):
        assert isinstance(module, SensorEncoder)
        return {
            "architecture": SensorEncoder.architecture,
            "in_channels": module.in_channels,
            "feature_dim": module.feature_dim,
            "proj_dim": module.proj_dim,
            "sensors": module.sensors,
            "channels": module.channels,
            "stem": module.stem,
            "body": describe_encoder(module.body),
            **carries,
        }
    return {
        "architecture": "custom",
        "class": f"{type(module).__module__}.{type(module).__qualname__}",
        **carries,
    }


def is_ours(module: nn.Module) -> bool:
    """Return whether a file can hold all of an encoder: it is one of ours, or two sensors' of one.

    It may have been changed since; see `is_as_built`.
    """
    body = module.body if type(module) is SensorEncoder else module
    return type(body) in ARCHITECTURES.values()


def rebuild_encoder(
    description: Mapping[str, Any], state: Mapping[str, torch.Tensor], given: nn.Module | None
) -> nn.Module:
    """Return an encoder of a description and a state dict, with what it carried beside them.

    The description is that of `describe_encoder`. A module of the user's own is needed where it
    says "custom"; a copy of the one `given` is filled. Raises `WeightsError` if it is needed and
    missing, or the weights do not fit it.
    """
    architecture = description["architecture"]
    if given is not None:
        module = own_copy(given)
        into_meta = False
    elif architecture == "custom":
        raise WeightsError(
            f"The encoder of this classifier is a module of your own ({description['class']}), "
            "and a file holds weights, not code. Build that module and give it as `encoder=`."
        )
    else:
        # On "meta" nothing is allocated before the shapes in the file are known to fit.
        with on_meta():
            module = _built(description)
        into_meta = True
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


def _built(description: Mapping[str, Any]) -> nn.Module:
    """Return an untrained encoder of ours, or raise `WeightsError` if it is none."""
    architecture = description["architecture"]
    if architecture == SensorEncoder.architecture:
        return SensorEncoder(
            _built(description["body"]),
            description["channels"],
            description["sensors"],
            description["stem"],
        )
    if architecture not in ARCHITECTURES:
        raise WeightsError(f"Unknown encoder architecture {architecture!r} in the file.")
    return ARCHITECTURES[architecture](
        **{name: description[name] for name in ("in_channels", "feature_dim", "proj_dim")}
    )


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
