"""The verbs for weights: list, download, load and save encoders."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import platformdirs

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag, number, whole
from edaphos_bridge.basics.counted import counted
from edaphos_bridge.basics.paths import as_path
from edaphos_bridge.data.orientation import TRANSPOSED, as_orientation
from edaphos_bridge.encoders.copying import as_module
from edaphos_bridge.encoders.foundation import OurEncoder, describe_encoder
from edaphos_bridge.errors import DownloadError, InputError, WeightsError
from edaphos_bridge.files.disk import MOST_OF_AN_ENCODER, read_file, save_file
from edaphos_bridge.weights import registry
from edaphos_bridge.weights.download import download, sha256_of
from edaphos_bridge.weights.encoder_file import encoder_to_bytes
from edaphos_bridge.weights.reading import read_encoder

Say = Callable[[str], None]


def foundation_weights_list() -> pd.DataFrame:
    """Return the encoders that edaphos has published.

    Returns
    -------
    pandas.DataFrame
        One row each: ``name`` to load it by, ``architecture``, ``n_channels``, ``feature_dim``,
        ``proj_dim``, ``patch_size``, ``file``, ``url``, ``sha256``, ``doi``, ``license``,
        ``description``, ``aoi`` (where it was pretrained), ``published_at`` and
        ``edaphos_version``. Numbers are of type Int64. What is not known is missing; without
        ``url`` an encoder is announced and cannot be downloaded.

    Examples
    --------
    >>> foundation_weights_list()["name"].tolist()
    ['edaphos-cerrado-moco-v1', 'edaphos-cerrado-moco-v2']
    """
    table = pd.DataFrame([dataclasses.asdict(entry) for entry in registry.REGISTRY])
    widths = ["n_channels", "feature_dim", "proj_dim", "patch_size"]
    return table.astype(dict.fromkeys(widths, "Int64"))


def foundation_weights_download(
    name: str,
    cache_dir: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    timeout_sec: float = 60,
    verbose: bool = False,
) -> Path:
    """Download a published encoder, unless it is in the cache already.

    A download that breaks off is resumed, up to four attempts. The file gets its name in the
    cache only when its sha256 is the published one.

    Parameters
    ----------
    name : str
        A name of `foundation_weights_list`.
    cache_dir : str or path, optional
        Folder of the downloads; by default the platform's folder for caches of a user.
    overwrite : bool
        Whether to download what is in the cache already.
    timeout_sec : float
        Seconds without a byte after which an attempt is given up.
    verbose : bool
        Whether to print what happens.

    Returns
    -------
    pathlib.Path
        The file in the cache.

    Raises
    ------
    InputError
        If an argument cannot be used, or the encoder has no address yet.
    DownloadError
        If the file cannot be downloaded, for example offline, or is another than the
        published one; the cache is as it was.
    """
    return fetch(
        name, cache_dir, overwrite, timeout_sec, print if flag("verbose", verbose) else mute
    )


@plain
def foundation_weights_load(
    source: str | os.PathLike[str],
    n_channels: int | None = None,
    feature_dim: int | None = None,
    proj_dim: int | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    verbose: bool = False,
    patch_orientation: str | None = None,
) -> OurEncoder:
    """Return an encoder from a file or, by its name, one that edaphos has published.

    Files of `foundation_weights_save`, of R torch (state dicts and modules of serialization
    version 3, state dicts of the older RDS form), and safetensors with the names of edaphos can be
    opened. Of the latter two, architecture and widths are found from the names and shapes of the
    tensors; weights of an XResNet alone do not tell its stem. No pickle is ever loaded.

    Parameters
    ----------
    source : str or path
        A name of `foundation_weights_list`, or the path of a file.
    n_channels, feature_dim, proj_dim : int, optional
        What the encoder must have: its channels and widths.
    cache_dir, overwrite, verbose
        As in `foundation_weights_download`; without meaning for a path.
    patch_orientation : {"rows_first", "transposed"}, optional
        How the patches of rasters lay that it was pretrained on. edaphos transposes what it cuts
        from a raster: an encoder of its ``foundation_moco_pretrain_tiles()`` is "transposed", one
        of its ``foundation_moco_pretrain()`` on an array of yours is not. By default what the
        file says; published encoders are "transposed". A file of R torch says nothing: what reads
        a raster for such an encoder then warns.

    Returns
    -------
    MoCoEncoder, SimCLREncoder, RotationEncoder, XResNet or SensorEncoder
        In eval mode, on the cpu.

    Raises
    ------
    InputError
        If an argument cannot be used, or the encoder has other channels, widths or orientation.
    WeightsError
        If the file is damaged or holds something else.
    DownloadError
        If a published encoder cannot be downloaded.

    See Also
    --------
    foundation_weights_save : write such a file.
    """
    say = print if flag("verbose", verbose) else mute
    widths = (n_channels, feature_dim, proj_dim)
    return load(say, patch_orientation, source, *widths, cache_dir, overwrite)


@plain
def foundation_weights_save(encoder: Any, path: str | os.PathLike[str]) -> Path:
    """Write an encoder as one safetensors file; it is written whole or not at all.

    Parameters
    ----------
    encoder : encoder of `foundation_encoder` or of two sensors, or a fit that holds one
        The encoder. It is not changed.
    path : str or path
        The file; an existing one is replaced.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InputError
        If `encoder` is a module of your own, or `path` cannot be written.
    WeightsError
        If a weight is not finite.

    Examples
    --------
    >>> import tempfile, edaphos_bridge
    >>> encoder = edaphos_bridge.foundation_encoder("moco", in_channels=4, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = foundation_weights_save(encoder, f"{folder}/encoder.safetensors")
    ...     twin = foundation_weights_load(path)
    >>> twin.in_channels, twin.feature_dim, twin.proj_dim
    (4, 64, 32)
    """
    module = as_module(encoder)
    if describe_encoder(module)["architecture"] == "custom":
        raise InputError(
            "encoder",
            "must be one of foundation_encoder(): a file holds weights, not code",
            found=type(module).__name__,
            hint="Save the state dict of a module of your own with safetensors.",
        )
    return save_file("path", path, encoder_to_bytes(module))


# --- the same, with somewhere to say what happens ------------------------------------------


def mute(line: str) -> None:
    """Say nothing."""


def fetch(name: Any, cache_dir: Any, overwrite: Any, timeout_sec: Any, say: Say) -> Path:
    """Do what `foundation_weights_download` does; lines go to `say`."""
    again = flag("overwrite", overwrite)
    timeout = number("timeout_sec", timeout_sec, above=0)
    folder = _cache_folder(cache_dir)
    entry = registry.published(name)
    if entry.url is None or entry.sha256 is None:
        raise InputError(
            "name",
            f"is {entry.name!r}, which edaphos has announced without an address",
            hint="It cannot be downloaded yet.",
        )
    target = folder / f"{entry.name}.pt"
    if not again and _is_whole(target, entry.sha256):
        say(f"{entry.name} is in the cache: {target}")
        return target
    say(f"Downloading {entry.name} from {entry.url}")
    download(entry.url, target, entry.sha256, timeout, say)
    say(f"{entry.name} is complete: {target}")
    return target


def load(
    say: Say,
    patch_orientation: Any,
    source: Any,
    n_channels: Any,
    feature_dim: Any,
    proj_dim: Any,
    cache_dir: Any,
    overwrite: Any,
) -> OurEncoder:
    """Do what `foundation_weights_load` does; lines go to `say`."""
    wanted = {"n_channels": n_channels, "feature_dim": feature_dim, "proj_dim": proj_dim}
    wanted = {name: whole(name, value) for name, value in wanted.items() if value is not None}
    orientation = as_orientation(patch_orientation)
    entry = registry.find(source)
    if entry is None:
        path = as_path("source", source)
        if not path.is_file():
            names = ", ".join(repr(known.name) for known in registry.REGISTRY)
            raise InputError(
                "source", f"must be the path of a file or one of {names}", found=str(path)
            )
        data = read_file("source", path, MOST_OF_AN_ENCODER)
    else:
        path = fetch(entry.name, cache_dir, overwrite, 60, say)
        data = read_file("source", path, MOST_OF_AN_ENCODER)
        if _sha256(data) != entry.sha256:
            raise DownloadError(f"{str(path)!r} changed after its download. Try again.")
    try:
        encoder = read_encoder(data)
    except WeightsError as error:
        raise WeightsError(f"{str(path)!r} cannot be opened. {error}") from error
    if encoder.patch_orientation is None and registry.has_published(_sha256(data)):
        encoder.patch_orientation = TRANSPOSED
    _orient(encoder, orientation, str(source))
    _check_widths(encoder, wanted, str(source))
    say(f"{path}: {encoder.architecture}, {counted(encoder.in_channels, 'channel')}")
    return encoder.eval()


def _check_widths(encoder: OurEncoder, wanted: dict[str, int], source: str) -> None:
    for name, value in wanted.items():
        has = getattr(encoder, "in_channels" if name == "n_channels" else name, None)
        if has is None:
            raise InputError(name, f"is nothing that the encoder in {source!r} has", found=value)
        if value != has:
            raise InputError(name, f"must be {has}, as the encoder in {source!r} has", found=value)


def _orient(encoder: OurEncoder, wanted: str | None, source: str) -> None:
    """Give the encoder an orientation, where it has none yet."""
    has = encoder.patch_orientation
    if wanted is None or wanted == has:
        return
    if has is not None:
        raise InputError(
            "patch_orientation",
            f"must be {has!r}, as the encoder in {source!r} has",
            found=wanted,
            hint="What is loaded has an attribute of that name, which can be changed.",
        )
    encoder.patch_orientation = wanted


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _is_whole(path: Path, sha256: str) -> bool:
    try:
        return path.is_file() and sha256_of(path) == sha256
    except OSError:
        return False


def _cache_folder(cache_dir: Any) -> Path:
    if cache_dir is None:
        return Path(platformdirs.user_cache_dir("edaphos-bridge", appauthor=False))
    return as_path("cache_dir", cache_dir)
