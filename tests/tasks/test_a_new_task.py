"""A task of its own file goes through fits, prediction and files: nothing else knows of it.

The task is written here: one number a patch, learnt in units of its own spread.
"""

import copy
import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn import functional

from closeness import assert_close
from edaphos_bridge import (
    FoundationClassifier,
    foundation_encoder,
    foundation_fine_tune,
    foundation_predict_raster,
)
from edaphos_bridge.data.normalisation import Normalisation
from edaphos_bridge.encoders.features import encode_features
from edaphos_bridge.errors import InputError, TrainingError, WeightsError
from edaphos_bridge.files.schema import check, is_number
from edaphos_bridge.fits.model import Model
from edaphos_bridge.fits.prediction import predicted
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.heads.registry import make_head
from edaphos_bridge.tasks.task import Task
from engine_fits import Adam, engine_fit, plan_of_41
from small_fits import REGIMES, quick

EPOCHS = 3


@dataclass(frozen=True)
class Amount(Task):
    """Patches to a number; the score is the root of the mean squared error, in its unit."""

    name = "amount"
    score_range = (0.0, math.inf)
    highest_is_best = False

    mean: float
    sd: float

    @property
    def n_outputs(self):
        return 1

    def loss(self, outputs, targets):
        return functional.mse_loss(outputs[:, 0], (targets - self.mean) / self.sd)

    def counts(self, outputs, targets):
        errors = (self.values(outputs.double())[:, 0] - targets).square()
        return torch.stack([errors.sum(), errors.new_tensor(len(errors))])

    def score(self, counts):
        total, number = counts.tolist()
        return math.sqrt(total / number)

    def values(self, outputs):
        return outputs * self.sd + self.mean

    def describe(self):
        return {"mean": self.mean, "sd": self.sd}

    @classmethod
    def from_description(cls, description):
        return cls(**check(description, {"mean": is_number, "sd": is_number}))


class AmountFit(FoundationFit):
    task_class = Amount
    title = "amounts"
    score_name = "val_rmse"

    def predict(self, x, device=None):
        return self.values(x, device, None, None)[:, 0]


@pytest.fixture
def clay(x):
    """The clay of each patch in per cent, which shows in its first channel."""
    return torch.from_numpy(40 + 60 * x[:, 0].mean(axis=(1, 2))).float()


@pytest.fixture
def task(clay):
    return Amount(clay.mean().item(), clay.std().item())


@pytest.fixture
def fit(x, task, clay):
    patches = torch.from_numpy(x.astype(np.float32))
    return lambda encoder, **changes: engine_fit(
        AmountFit, task, clay, encoder, patches, **{"epochs": EPOCHS, **changes}
    )


def channel_means():
    """An encoder whose first feature is what the clay follows."""
    scale = nn.Linear(4, 4)
    with torch.no_grad():
        scale.weight.copy_(5 * torch.eye(4))  # to features of about unit variance
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), scale)


@REGIMES
@pytest.mark.parametrize("head_type", ["linear", "mlp"])
def test_it_trains_as_the_loop_written_out(x, clay, task, fit, head_type, freeze_backbone):
    torch.manual_seed(3)
    encoder, plan = channel_means(), plan_of_41()
    head = make_head(head_type, 4, 1, (6,), 0.0)
    model = copy.deepcopy(nn.ModuleList([encoder, head]))
    trained = fit(encoder, plan=plan, initial_head=head, freeze_backbone=freeze_backbone)
    patches = torch.from_numpy(x).float()
    steps = [Adam(model[1].parameters(), 0.01, 0.1)]
    if not freeze_backbone:
        steps.append(Adam(model[0].parameters(), 0.005, 0.1))
    losses, scores = [], []
    for epoch in range(EPOCHS):
        batch_losses = []
        for rows in plan.epoch_rows(epoch).split(32):
            outputs = model[1](encode_features(model[0], patches[rows]))[:, 0]
            loss = (outputs - (clay[rows] - task.mean) / task.sd).square().mean()
            loss.backward()
            for step in steps:
                step.step()
            batch_losses.append(loss.item())
        losses.append(sum(batch_losses) / len(batch_losses))
        with torch.no_grad():
            outputs = model[1](encode_features(model[0], patches[plan.val_rows]))[:, 0]
        errors = outputs.double() * task.sd + task.mean - clay[plan.val_rows]
        scores.append(math.sqrt(errors.square().mean().item()))
    assert_close(trained.loss_history, losses, 1e-5)
    assert_close(trained.score_history, scores, 1e-5)
    assert_close(trained.head.state_dict(), model[1].state_dict(), 1e-5)
    assert_close(trained.encoder.state_dict(), model[0].state_dict(), 1e-5)


@REGIMES
def test_it_learns_what_can_be_learnt(x, clay, fit, freeze_backbone):
    torch.manual_seed(1)
    trained = fit(
        channel_means(), epochs=200, weight_decay=0.0, lr=0.05, freeze_backbone=freeze_backbone
    )
    assert trained.score_history[-1] < clay.std().item() / 10
    assert_close(trained.predict(x), clay, 0.05)
    assert (trained.config["seed"], trained.freeze_backbone) == (1, freeze_backbone)


def test_a_frozen_encoder_stays_as_it_is(fit, encoder, state_of):
    before = state_of(encoder)
    trained = fit(encoder)
    assert all(torch.equal(trained.encoder.state_dict()[name], before[name]) for name in before)


def test_the_same_seed_gives_the_same_bits(fit, encoder):
    one, again, other = (fit(copy.deepcopy(encoder), seed=seed) for seed in (1, 1, 2))
    assert one.to_bytes() == again.to_bytes()
    assert one.loss_history != other.loss_history


def test_divergence_is_an_error(fit, encoder):
    with pytest.raises(TrainingError, match="diverged"):
        fit(encoder, freeze_backbone=False, lr=1e30, backbone_lr_mult=1.0)


# --- prediction ---------------------------------------------------------------------------


def test_what_is_predicted_is_in_the_unit_of_the_targets(x, task, fit, encoder):
    trained = fit(encoder)
    with torch.no_grad():
        outputs = trained.head(trained.encoder(torch.from_numpy(x).float())).double().numpy()
    assert_close(trained.predict(x), outputs[:, 0] * task.sd + task.mean, 1e-6)
    assert trained.predict(x[:0]).shape == (0,)


def test_it_has_the_mean_of_members_and_passes_and_missing_rows(x, task, fit, encoder):
    fits = [fit(copy.deepcopy(encoder), seed=seed) for seed in (1, 2)]
    patches = torch.from_numpy(x).float()
    found = predicted(
        task,
        [Model(one.encoder, one.head) for one in fits],
        50,
        patches.shape[2:],
        [(slice(0, 20), patches[:20]), (slice(20, 41), patches[20:])],
        torch.device("cpu"),
        passes=2,
    )
    assert found.shape == (50, 1)
    assert np.isnan(found[41:]).all()
    assert_close(found[:41, 0], (fits[0].predict(x) + fits[1].predict(x)) / 2, 1e-6)


def test_missing_cells_are_never_predicted(x, fit, encoder):
    trained = fit(encoder)
    x[[3, 8], 0, 0, 0] = np.nan
    with pytest.raises(InputError, match=r"in 2 of 41 patches \(first: 3, 8;"):
        trained.predict(x)


# --- files and what is shown --------------------------------------------------------------


@REGIMES
@pytest.mark.parametrize("head_type", ["linear", "mlp"])
@pytest.mark.parametrize("val_split", [0.2, 0])
def test_it_comes_back_from_a_file(
    x, fit, encoder, tmp_path, head_type, freeze_backbone, val_split
):
    trained = fit(encoder, head=head_type, freeze_backbone=freeze_backbone, val_split=val_split)
    assert math.isnan(trained.score_history[0]) == (val_split == 0)
    assert val_split == 0 or max(trained.score_history) > 1  # an error in per cent is no share
    trained.save(tmp_path / "fit")
    twin = AmountFit.load(tmp_path / "fit")
    assert twin.task == trained.task
    assert twin.to_bytes() == trained.to_bytes()
    assert np.array_equal(twin.predict(x), trained.predict(x))
    assert repr(twin) == repr(trained)


def test_it_is_no_classifier_and_a_classifier_none_of_it(x, y, fit, encoder):
    classifier = quick(encoder, x, y)
    with pytest.raises(WeightsError, match="holds a fit of 'amount', not 'classification'"):
        FoundationClassifier.from_bytes(fit(encoder).to_bytes())
    with pytest.raises(WeightsError, match="holds a fit of 'classification', not 'amount'"):
        AmountFit.from_bytes(classifier.to_bytes())


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (("task", "mean"), "forty", "'mean' is 'forty'"),
        (("task", "sd"), None, "'sd' is None"),
        (("task",), {"name": "amount"}, "it has no 'mean'"),
        (("score_history",), [-1.0] * EPOCHS, "'score_history' is"),
        (("score_history",), ["1"] * EPOCHS, "'score_history' is"),
    ],
)
def test_a_damaged_file_is_an_error(fit, encoder, place, value, says):
    data = fit(encoder).to_bytes()
    metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    document = json.loads(metadata["edaphos_bridge"])
    del document["digest"]
    part = document
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    text = json.dumps({**document, "format_version": 1})
    tensors = safetensors.torch.load(data)
    with pytest.raises(WeightsError, match=says):
        AmountFit.from_bytes(safetensors.torch.save(tensors, metadata={"edaphos_bridge": text}))


def test_a_map_of_it_has_what_is_predicted_of_the_patch_around_a_cell(fit, x):
    encoder = foundation_encoder("moco", 4, feature_dim=8, proj_dim=4, seed=1)
    bands = ("band_1", "band_2", "band_3", "band_4")
    encoder.normalisation = Normalisation(bands, (0.0,) * 4, (1.0,) * 4, False, 5)
    trained = fit(encoder)
    raster = np.tile(x[0], (1, 2, 2))
    found = foundation_predict_raster(trained, raster).values
    assert found.shape == (1, 10, 10)
    assert_close(found[0, 4, 6], trained.predict(raster[None, :, 2:7, 4:9])[0], 1e-5)
    with pytest.raises(InputError, match="found 'class'"):
        foundation_predict_raster(trained, raster, type="class")


def test_printing_names_the_lowest_error_as_the_best(fit, encoder):
    trained = fit(encoder)
    trained.score_history = [9.5, 3.25, 4.0]
    lines = repr(trained).splitlines()
    assert lines[0] == "<amounts>"
    assert lines[-1] == "  best val_rmse: 3.250 (epoch 2), at the end 4.000"


def test_a_task_that_does_not_say_how_is_not_gone_on_from(fit, x, clay, encoder):
    with pytest.raises(InputError, match="cannot be gone on from") as raised:
        foundation_fine_tune(fit(encoder), x, clay.numpy())
    assert raised.value.argument == "fit"
