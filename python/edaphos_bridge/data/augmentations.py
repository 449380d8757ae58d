"""Random views of patches: each patch of a batch is changed on its own, all at once.

The random numbers come from a generator of the cpu, whatever device the patches are on,
so that one generator state says all about a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch

from edaphos_bridge.basics.arguments import number, ratios, share
from edaphos_bridge.basics.interrupts import imported
from edaphos_bridge.errors import EdaphosError, InputError


@dataclass(frozen=True)
class Augmentations:
    """The changes that make a view, applied in the order of the fields; 0 leaves one out.

    The fields are arguments of `foundation_moco_pretrain`.
    """

    crop_ratio: tuple[float, float] = (1.0, 1.0)
    flip_prob: float = 0.0
    rot90_prob: float = 0.0
    channel_drop_prob: float = 0.0
    cutout_prob: float = 0.0
    cutout_size_ratio: float = 0.2
    brightness_jitter: float = 0.0
    noise_sd: float = 0.0

    @classmethod
    def checked(cls, argument: str, values: Mapping[str, Any]) -> Augmentations:
        """Return the changes of a table of values, or raise `InputError`."""
        known = [field.name for field in fields(cls)]
        unknown = [name for name in values if name not in known]
        if unknown:
            raise InputError(
                argument, f"may have {', '.join(known)}", found=", ".join(map(str, unknown))
            )
        checked: dict[str, Any] = {
            name: number(f"{argument}: {name}", value, minimum=0)
            if name == "noise_sd"
            else share(f"{argument}: {name}", value)
            for name, value in values.items()
            if name != "crop_ratio"
        }
        if "crop_ratio" in values:
            checked["crop_ratio"] = ratios(f"{argument}: crop_ratio", values["crop_ratio"])
        return cls(**checked)

    def describe(self) -> dict[str, Any]:
        """Return the changes in use as JSON values, which `checked` takes."""
        usual = Augmentations()
        used = {n: v for n, v in asdict(self).items() if v != getattr(usual, n)}
        return {n: list(v) if isinstance(v, tuple) else v for n, v in used.items()}

    def view(
        self, x: torch.Tensor, generator: torch.Generator, size: Sequence[int] | None = None
    ) -> torch.Tensor:
        """Return a random view ``(B, C, H, W)`` of `x`, which is left as it is.

        `size` is the height and width that a crop is resized to, that of the patch by default.
        """
        return self.views(x, None, generator, size)[0]

    def views(
        self,
        x: torch.Tensor,
        masks: torch.Tensor | None,
        generator: torch.Generator,
        size: Sequence[int] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return a random view of `x`, and of the masks ``(B, H, W)`` of its cells if there are.

        Masks go where the cells go, of a crop that of the nearest cell; nothing else changes them.
        """
        n, channels, height, width = x.shape
        # What a change does to whole places or whole channels is worked out on the few numbers
        # that say so; the cells themselves are passed over once for all changes of a kind.
        if self.crop_ratio != (1.0, 1.0) or size is not None:
            places = crop_places(x.shape, self.crop_ratio, generator, size)
            places = self._turned(places, generator)
            x = read_between(x, places)
            height, width = x.shape[2:]
            if masks is not None:
                masks = read_at(masks[:, None], nearest_cells(places))[:, 0]
        elif self.flip_prob > 0 or self.rot90_prob > 0:
            cells = torch.arange(height * width).reshape(1, 1, height, width)
            cells = self._turned(cells.expand(n, -1, -1, -1), generator)
            x = read_at(x, cells)
            if masks is not None:
                masks = read_at(masks[:, None], cells)[:, 0]
        factors, kept = torch.ones(n, channels, 1, 1), torch.ones(n, 1, height, width)
        if self.channel_drop_prob > 0:
            factors = channel_drop(factors, self.channel_drop_prob, generator)
        if self.cutout_prob > 0:
            kept = cutout(kept, self.cutout_prob, self.cutout_size_ratio, generator)
        if self.brightness_jitter > 0:
            factors = brightness(factors, self.brightness_jitter, generator)
        if self.channel_drop_prob > 0 or self.brightness_jitter > 0:
            x = x * factors.to(x.device)
        if self.cutout_prob > 0:
            x = x * kept.to(x.device)
        return (noise(x, self.noise_sd, generator) if self.noise_sd > 0 else x), masks

    def _turned(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        if self.flip_prob > 0:
            x = flip(x, self.flip_prob, generator)
        return quarter_turn(x, self.rot90_prob, generator) if self.rot90_prob > 0 else x


def kornia_transforms() -> Any:
    """Return kornia's geometric transforms, or raise `EdaphosError` with how to install them."""
    try:
        return imported("kornia.geometry.transform")
    except ImportError as error:
        raise EdaphosError(
            "Pretraining needs the package kornia. Install it with `pip install kornia`."
        ) from error


def crop_places(
    shape: torch.Size,
    crop_ratio: tuple[float, float],
    generator: torch.Generator,
    size: Sequence[int] | None = None,
) -> torch.Tensor:
    """Return the places ``(B, 2, h, w)`` that resize a box at a random place to a `size`.

    That of the patch ``(H, W)`` by default.
    """
    low, high = crop_ratio
    ratio = low + (high - low) * torch.rand(shape[0], generator=generator)
    (tops, heights), (lefts, widths) = (_interval(ratio, extent, generator) for extent in shape[2:])
    return box_places(size or shape[2:], tops, lefts, heights, widths)


def box_places(
    size: Sequence[int],
    tops: torch.Tensor,
    lefts: torch.Tensor,
    heights: torch.Tensor,
    widths: torch.Tensor,
) -> torch.Tensor:
    """Return the places ``(B, 2, h, w)`` that resize one box of each patch to a size (h, w).

    Boxes are given in cells. Reading there is the same as
    ``interpolate(box, size=(h, w), mode="bilinear")`` patch by patch.
    """
    height, width = size
    columns = _positions(lefts, widths, width)[:, None, :].expand(-1, height, -1)
    rows = _positions(tops, heights, height)[:, :, None].expand(-1, -1, width)
    return torch.stack([columns, rows], dim=1)


def read_between(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return patches ``(B, C, h, w)`` with the values of `x` at `places`, bilinear between cells.

    `places` ``(B, 2, h, w)`` are columns and rows inside the patch, in cells from the first cell's
    centre.
    """
    columns, rows = places.to(x.device).unbind(1)
    return kornia_transforms().remap(
        x, columns, rows, mode="bilinear", padding_mode="border", align_corners=True
    )


def nearest_cells(places: torch.Tensor) -> torch.Tensor:
    """Return the cells ``(B, 1, H, W)`` that lie nearest to `places`, as `read_at` counts them."""
    height, width = places.shape[2:]
    columns, rows = places.round().long().unbind(1)
    return (rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1))[:, None]


def read_at(x: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """Return patches with the values of `x` at `cells` ``(B, 1, H, W)``, counted row by row."""
    cells = cells.to(x.device).flatten(2).expand(-1, x.shape[1], -1)
    return x.flatten(2).gather(2, cells).reshape(x.shape)


def flip(x: torch.Tensor, flip_prob: float, generator: torch.Generator) -> torch.Tensor:
    """Flip each patch left-right and, separately, up-down, each with probability `flip_prob`."""
    transforms = kornia_transforms()
    x = torch.where(_chance(x, flip_prob, generator), transforms.hflip(x), x)
    return torch.where(_chance(x, flip_prob, generator), transforms.vflip(x), x)


def quarter_turn(x: torch.Tensor, rot90_prob: float, generator: torch.Generator) -> torch.Tensor:
    """Turn each patch with probability `rot90_prob`, by each possible angle equally often."""
    quarters = torch.randint(1, 4, (len(x),), generator=generator)
    if x.shape[2] != x.shape[3]:
        quarters = torch.full_like(quarters, 2)
    chosen = torch.rand(len(x), generator=generator) < rot90_prob
    return turned(x, torch.where(chosen, quarters, 0))


def turned(x: torch.Tensor, quarters: torch.Tensor) -> torch.Tensor:
    """Turn each patch by its number of quarters, 0 to 3, as `numpy.rot90` does."""
    quarters = quarters.to(x.device)[:, None, None, None]
    result = torch.where(quarters == 2, kornia_transforms().rot180(x), x)
    if x.shape[2] == x.shape[3]:
        for odd in (1, 3):
            result = torch.where(quarters == odd, torch.rot90(x, odd, (2, 3)), result)
    return result


def channel_drop(
    x: torch.Tensor, channel_drop_prob: float, generator: torch.Generator
) -> torch.Tensor:
    """Set each channel of each patch to zero with probability `channel_drop_prob`."""
    dropped = torch.rand(*x.shape[:2], 1, 1, generator=generator) < channel_drop_prob
    return x.masked_fill(dropped.to(x.device), 0)


def cutout(
    x: torch.Tensor, cutout_prob: float, cutout_size_ratio: float, generator: torch.Generator
) -> torch.Tensor:
    """Set a box at a random place in all channels to zero, with probability `cutout_prob`."""
    ratio = torch.full((len(x),), cutout_size_ratio)
    inside = []
    for extent in x.shape[2:]:
        start, length = (value[:, None] for value in _interval(ratio, extent, generator))
        cells = torch.arange(extent)
        inside.append((cells >= start) & (cells < start + length))
    box = (inside[0][:, :, None] & inside[1][:, None, :])[:, None].to(x.device)
    return x.masked_fill(box & _chance(x, cutout_prob, generator), 0)


def brightness(
    x: torch.Tensor, brightness_jitter: float, generator: torch.Generator
) -> torch.Tensor:
    """Multiply each channel of each patch by a number in 1 ± `brightness_jitter`."""
    share = torch.rand(*x.shape[:2], 1, 1, generator=generator)
    factor = 1 + brightness_jitter * (2 * share - 1)
    return x * factor.to(x.device)


def noise(x: torch.Tensor, noise_sd: float, generator: torch.Generator) -> torch.Tensor:
    """Add Gaussian noise to every cell."""
    return torch.normal(0.0, noise_sd, x.shape, generator=generator).to(x.device).add_(x)


def _chance(x: torch.Tensor, probability: float, generator: torch.Generator) -> torch.Tensor:
    return (torch.rand(len(x), 1, 1, 1, generator=generator) < probability).to(x.device)


def _interval(
    ratio: torch.Tensor, extent: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random starts, and lengths of `ratio` times `extent`, in whole cells, at least 1."""
    length = (ratio * extent).round().clamp(1, extent).long()
    start = (torch.rand(len(ratio), generator=generator) * (extent - length + 1)).long()
    return torch.minimum(start, extent - length), length


def _positions(starts: torch.Tensor, lengths: torch.Tensor, extent: int) -> torch.Tensor:
    """Return where to sample, ``(B, extent)``: centres of equal parts, kept inside the box."""
    first, length = starts[:, None].float(), lengths[:, None].float()
    centres = first + (torch.arange(extent) + 0.5) * length / extent - 0.5
    return torch.minimum(torch.maximum(centres, first), first + length - 1)
