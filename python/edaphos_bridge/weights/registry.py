"""The encoders that edaphos has published."""

from __future__ import annotations

import dataclasses

from edaphos_bridge.errors import InputError


@dataclasses.dataclass(frozen=True)
class PublishedWeights:
    """One line of the registry, a field for each column of `foundation_weights_list`.

    What is not known is None.
    """

    name: str
    architecture: str
    n_channels: int | None = None
    feature_dim: int | None = None
    proj_dim: int | None = None
    patch_size: int | None = None
    file: str | None = None
    url: str | None = None
    sha256: str | None = None
    doi: str | None = None
    license: str | None = None
    description: str | None = None
    aoi: str | None = None
    published_at: str | None = None
    edaphos_version: str | None = None


_CERRADO = "Cerrado core (lon -53 to -43, lat -23 to -10)"

REGISTRY = (
    PublishedWeights(
        name="edaphos-cerrado-moco-v1",
        architecture="moco",
        n_channels=31,
        feature_dim=64,
        proj_dim=32,
        patch_size=16,
        file="encoder_q.pt",
        url="https://zenodo.org/records/19701276/files/encoder_q.pt?download=1",
        sha256="44ace7f78c658b6028f1cf5ccfa624023295e5576f681d0135db64726c6738e8",
        doi="10.5281/zenodo.19701276",
        license="CC-BY-4.0",
        description=(
            "MoCo v2 encoder, 20000 steps on 50000 tiles of 16x16 cells of 0.01 degrees: SoilGrids "
            "soc, clay, sand, phh2o and bdod, monthly precipitation and mean temperature of "
            "WorldClim 2.1, elevation and slope of SRTM"
        ),
        aoi=_CERRADO,
        published_at="2026-04-22T21:59:12Z",
        edaphos_version="1.2.0",
    ),
    PublishedWeights(
        name="edaphos-cerrado-moco-v2",
        architecture="moco",
        n_channels=31,
        feature_dim=64,
        proj_dim=32,
        patch_size=16,
        license="CC-BY-4.0",
        description="MoCo v2 encoder as edaphos-cerrado-moco-v1, with 200000 steps",
        aoi=_CERRADO,
        edaphos_version="3.11.0",
    ),
)


def find(name: object) -> PublishedWeights | None:
    """Return the entry called `name`, or None."""
    if not isinstance(name, str):
        return None
    return next((entry for entry in REGISTRY if entry.name == name), None)


def has_published(sha256: str) -> bool:
    """Return whether a file with this digest is one that edaphos has published."""
    return any(entry.sha256 == sha256 for entry in REGISTRY)


def published(name: object) -> PublishedWeights:
    """Return the entry called `name`.

    Raises `InputError` if there is none.
    """
    entry = find(name)
    if entry is None:
        names = ", ".join(repr(known.name) for known in REGISTRY)
        raise InputError("name", f"must be one of {names}", found=name)
    return entry
