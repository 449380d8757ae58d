"""Every changed byte of a file of ours is a typed error, and so is every nonsense in an old one."""

import contextlib
import itertools
import json
import random
import warnings

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from edaphos_bridge import (
    FoundationClassifier,
    FoundationEnsemble,
    FoundationMultiLabel,
    FoundationPretrain,
    FoundationRegressor,
    foundation_encoder,
    foundation_finetune_ensemble,
    foundation_fit_classifier,
    foundation_fit_multilabel,
    foundation_fit_regressor,
    foundation_simclr_pretrain,
    foundation_tile_dataset,
)
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders import SimCLREncoder
from edaphos_bridge.errors import EdaphosError, WeightsError
from edaphos_bridge.files.container import pack, unpack
from edaphos_bridge.pretrain.loop import pretrain
from edaphos_bridge.pretrain.settings import SimCLRSettings
from edaphos_bridge.pretrain.simclr import SimCLR
from edaphos_bridge.pretrain.source import PatchSource
from edaphos_bridge.raster.tile_file import tiles_from_bytes, tiles_to_bytes
from edaphos_bridge.training.checkpoint import FILE, PRETRAINING, read_checkpoint
from edaphos_bridge.training.events import Events
from edaphos_bridge.weights.encoder_file import encoder_from_bytes, encoder_to_bytes
from edaphos_bridge.weights.reading import read_encoder

MUTATIONS = 10_000
KINDS = ["fit", "own module", "classifier", "encoder", "encoder by weights_load", "pretraining",
         "checkpoint", "tiles", "regressor", "multilabel", "ensemble"]  # fmt: skip
X = np.random.default_rng(1).normal(size=(8, 1, 2, 2))
Y = ["a", "b"] * 4
SMALL = {"feature_dim": 2, "proj_dim": 2, "batch_size": 4, "epochs": 1, "seed": 1}


def own_module():
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 2))


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The bytes of a small file of each kind, and what reads them."""
    encoder = foundation_encoder("simclr", 1, feature_dim=2, proj_dim=2, seed=1)
    fitted = foundation_fit_classifier(encoder, X, Y, epochs=1, seed=1)
    own = foundation_fit_classifier(own_module(), X, Y, epochs=1, seed=1)
    pretrained = foundation_simclr_pretrain(X, checkpoint_dir=tmp_path / "run", **SMALL)
    quick = {"epochs": 1, "seed": 1}
    regressor = foundation_fit_regressor(encoder, X, np.arange(8.0), **quick)
    multilabel = foundation_fit_multilabel(
        encoder, X, [["a"], ["b"], []] * 2 + [["a", "b"], []], **quick
    )
    ensemble = foundation_finetune_ensemble(encoder, X, Y, K_ens=2, epochs=1)
    checkpoint = (tmp_path / "run" / FILE).read_bytes()
    identity = unpack(PRETRAINING, checkpoint)[1]["identity"]

    def go_on(data):
        monkeypatch.setattr("edaphos_bridge.training.checkpoint.read_file", lambda *args: data)
        progress = read_checkpoint("checkpoint_dir", tmp_path / FILE, dict(identity))
        settings = SimCLRSettings.checked(
            **SMALL, lr=0.1, steps_per_epoch=1, temperature=0.1, noise_sd=0.1
        )
        pretrain(
            SimCLR(SimCLREncoder(1, 2, 2), settings), PatchSource(Patches(X)), settings,
            torch.device("cpu"), Events(), Randomness(0),
            checkpoints=None, progress=progress,
        )  # fmt: skip

    def fit_around_own(data):
        FoundationClassifier.from_bytes(data, encoder=own_module())

    return {
        "fit": (fitted.to_bytes(), FoundationClassifier.from_bytes),
        "own module": (own.to_bytes(), fit_around_own),
        "classifier": (as_classifier(fitted.to_bytes()), FoundationClassifier.from_bytes),
        "encoder": (encoder_to_bytes(encoder), encoder_from_bytes),
        "encoder by weights_load": (encoder_to_bytes(encoder), read_encoder),
        "pretraining": (pretrained.to_bytes(), FoundationPretrain.from_bytes),
        "checkpoint": (checkpoint, go_on),
        "regressor": (regressor.to_bytes(), FoundationRegressor.from_bytes),
        "multilabel": (multilabel.to_bytes(), FoundationMultiLabel.from_bytes),
        "ensemble": (ensemble.to_bytes(), FoundationEnsemble.from_bytes),
        "tiles": (tile_bytes(tmp_path), lambda data: tiles_from_bytes(data).raster.close()),
    }


def as_classifier(data):
    """The file of a fit as it was before tasks: of kind "classifier"."""
    tensors, values = unpack("fit", data)
    task = values.pop("task")
    values["val_accuracy_history"] = values.pop("score_history")
    values |= {name: task[name] for name in ("classes", "ordered", "class_counts")}
    added = ("kind", "format_version", "versions")  # by `pack`
    values = {name: value for name, value in values.items() if name not in added}
    return pack("classifier", tensors, values)


def tile_bytes(folder):
    import rasterio

    path = folder / "stack.tif"
    settings = {"driver": "GTiff", "count": 2, "height": 6, "width": 7, "dtype": "float64"}
    with rasterio.open(
        path, "w", transform=rasterio.Affine(10, 0, 500, 0, -10, 900), **settings
    ) as file:
        file.write(np.random.default_rng(2).normal(size=(2, 6, 7)))
    land = np.arange(42).reshape(6, 7) % 3
    dataset = foundation_tile_dataset(path, 2, 5, seed=1, labels=land, unlabelled=2)
    with dataset.raster:
        return tiles_to_bytes(dataset)


def without_digest(data):
    """The file as format 1 had it."""
    metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    document = json.loads(metadata["edaphos_bridge"])
    document["format_version"] = 1
    del document["digest"]
    tensors = safetensors.torch.load(data)
    return safetensors.torch.save(tensors, metadata={"edaphos_bridge": json.dumps(document)})


def changed_bytes(data):
    """Yield files with one other byte, at each place once."""
    rng = random.Random(1)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= rng.randrange(1, 256)
        yield bytes(changed)


def mutations(data, number):
    """Yield so many files with damage of many kinds."""
    rng = random.Random(2)
    while number > 0:
        changed = bytearray(data)
        start = rng.randrange(len(data))
        size = rng.choice([1, 1, 1, 4, 16, 64, 300])
        kind = rng.randrange(8)
        if kind <= 2:
            changed[start] = rng.randrange(256)
        elif kind == 3:
            changed[start] ^= 1 << rng.randrange(8)
        elif kind == 4:
            changed[start : start + size] = bytes(len(changed[start : start + size]))
        elif kind == 5:  # two blocks change places
            other = rng.randrange(len(data))
            one, two = changed[start : start + size], changed[other : other + size]
            changed[start : start + size] = two
            changed[other : other + size] = one
        elif kind == 6:
            del changed[start : start + size]
        else:
            changed[start:start] = rng.randbytes(size)
        if changed != data:
            number -= 1
            yield bytes(changed)


@pytest.mark.parametrize("kind", KINDS)
def test_every_changed_byte_of_every_file_is_a_typed_error(files, kind):
    """Each byte in turn, and other damage, ten thousand times."""
    data, read = files[kind]
    read(data)
    for changed in itertools.chain(
        changed_bytes(data), mutations(data, max(1000, MUTATIONS - len(data)))
    ):
        with pytest.raises(WeightsError):
            read(changed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_without_a_digest_opens_or_is_a_typed_error(files, kind):
    data, read = files[kind]
    data = without_digest(data)
    read(data)
    refused = tried = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for changed in mutations(data, MUTATIONS // 10):
            tried += 1
            with contextlib.suppress(EdaphosError):
                read(changed)
                continue
            refused += 1
    assert 0 < refused <= tried


NONSENSE = [None, True, -1, 0, 10**30, 1.5, "", "x", [], [1], [[1]], ["a", "a"], {}, {"a": 1}]


def places(document, path=()):
    """Yield the path of every value in a JSON document."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list) and len(path) < 3:
            yield from places(value, (*path, key))


@pytest.mark.parametrize("kind", KINDS)
def test_nonsense_in_any_place_of_the_metadata_is_a_typed_error_or_harmless(files, kind):
    data, read = files[kind]
    data = without_digest(data)
    tensors = safetensors.torch.load(data)
    metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    text = metadata["edaphos_bridge"]
    for path in places(json.loads(text)):
        for value in NONSENSE:
            document = json.loads(text)
            inner = document
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = value
            changed = safetensors.torch.save(
                tensors, metadata={"edaphos_bridge": json.dumps(document)}
            )
            with contextlib.suppress(EdaphosError):
                read(changed)


def test_the_kinds_of_fits_are_those_that_are_written_and_that_were(files):
    written = {kind: files[kind][0] for kind in ("fit", "own module", "classifier")}
    kinds = {kind: unpack(("fit", "classifier"), data)[1]["kind"] for kind, data in written.items()}
    assert kinds == {"fit": "fit", "own module": "fit", "classifier": "classifier"}
    old, new = (files[kind][1](files[kind][0]) for kind in ("classifier", "fit"))
    assert old.to_bytes() == new.to_bytes()
