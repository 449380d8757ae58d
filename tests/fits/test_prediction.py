"""Prediction: in batches, in eval mode, over members and passes, and never of a missing value."""

import copy
import math
import re

import numpy as np
import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.features import batch_size_for
from edaphos_bridge.errors import InputError
from edaphos_bridge.fits.model import Model
from edaphos_bridge.fits.prediction import predicted
from edaphos_bridge.heads.registry import LinearHead
from edaphos_bridge.tasks.classification import Classification
from small_fits import bad_patches, quick


def test_probabilities_are_the_softmax_of_head_and_encoder(encoder, x, y):
    fit = quick(encoder, x, y)
    with torch.no_grad():
        logits = fit.head(fit.encoder(torch.from_numpy(x).float())).double().numpy()
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert_close(fit.predict_proba(x), expected, 1e-6)


def test_any_real_array_is_predicted(encoder, x, y):
    fit = quick(encoder, x, y)
    whole = np.rint(x * 10)
    expected = fit.predict_proba(whole)
    for other in (whole.astype(np.int16), np.asfortranarray(whole), torch.from_numpy(whole)):
        assert np.array_equal(fit.predict_proba(other), expected)


def test_prediction_goes_in_batches_from_reading_to_the_head(encoder, x, y, monkeypatch):
    fit = quick(encoder, x, y)
    many = np.random.default_rng(2).normal(size=(3000, 4, 5, 5)).astype(np.float32)
    read, encoded, headed = [], [], []
    original = Patches.batches
    monkeypatch.setattr(
        Patches,
        "batches",
        lambda self, size, **how: (
            read.append(len(batch)) or batch for batch in original(self, size, **how)
        ),
    )
    fit.encoder.register_forward_pre_hook(lambda m, inputs: encoded.append(len(inputs[0])))
    fit.head.register_forward_pre_hook(lambda m, inputs: headed.append(len(inputs[0])))
    limit = batch_size_for(many.shape, "cpu", fit.encoder)
    assert limit < 3000
    probabilities = fit.predict_proba(many)
    for sizes in (read, encoded, headed):
        assert sum(sizes) == 3000
        assert max(sizes) <= limit
    assert_close(probabilities[2990:], fit.predict_proba(many[2990:]), 1e-6)


def test_prediction_is_in_eval_mode_whatever_mode_the_modules_are_in(dropout_encoder, x, y):
    for freeze_backbone in (True, False):
        fit = quick(dropout_encoder, x, y, freeze_backbone=freeze_backbone, head="mlp", dropout=0.5)
        expected = fit.predict_proba(x)
        before = copy.deepcopy(fit.encoder.state_dict())
        fit.encoder.train()
        fit.head.train()
        assert np.array_equal(fit.predict_proba(x), expected)
        for name, tensor in fit.encoder.state_dict().items():
            assert torch.equal(tensor, before[name])


def test_prediction_changes_neither_x_nor_the_generators_nor_the_fit(encoder, x, y, snapshot):
    fit = quick(encoder, x, y)
    state, generator, bits = snapshot(fit.encoder), torch.get_rng_state(), x.tobytes()
    x.flags.writeable = False
    fit.predict(x)
    assert snapshot(fit.encoder) == state
    assert torch.equal(torch.get_rng_state(), generator)
    assert x.tobytes() == bits


# --- what cannot be predicted -------------------------------------------------------------


@pytest.mark.parametrize("type", ["class", "prob"])
@pytest.mark.parametrize("kind", ["nan", "inf"])
def test_missing_values_are_never_predicted(encoder, x, y, kind, type):
    fit = quick(encoder, x, y)
    with pytest.raises(InputError, match=r"`x` holds NA.* in 2 of 41 patches \(first: 3, 8;"):
        fit.predict(bad_patches(kind, x), type=type)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"type": "probs"}, "`type` must be one of 'class', 'prob'; found 'probs'"),
        ({"type": None}, "`type` must be one of 'class', 'prob'; found None"),
        ({"device": "gpu"}, "`device` must be one of 'cpu', 'mps', 'cuda'; found 'gpu'"),
        ({"x": np.zeros((2, 3, 5, 5))}, "`x` must have 4 channels for this encoder; found 3"),
        ({"x": np.zeros((0, 3, 5, 5))}, "`x` must have 4 channels for this encoder; found 3"),
        ({"x": np.zeros((4, 5, 5))}, "`x` must have the four dimensions"),
        ({"x": np.zeros((2, 4, 0, 5))}, "`x` must not have an extent of zero"),
        ({"x": None}, "`x` must be an array"),
    ],
)
def test_arguments_of_predict_that_cannot_be_used_are_named(encoder, x, y, arguments, message):
    fit = quick(encoder, x, y)
    with pytest.raises(InputError, match=re.escape(message)):
        fit.predict(**{"x": x, **arguments})


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Flatten(), nn.Linear(100, 6)],
        [nn.Flatten()],
        [nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(18, 6), nn.ReLU()],
    ],
)
@pytest.mark.parametrize("size", [(7, 7), (5, 6), (2, 2)])
def test_patches_of_a_size_that_the_encoder_cannot_take_are_an_error_with_both(x, y, layers, size):
    fit = quick(nn.Sequential(*layers), x, y)
    says = rf"`x` must have patches of \[5, 5\] cells .*found \[{size[0]}, {size[1]}\]"
    with pytest.raises(InputError, match=says):
        fit.predict(np.zeros((3, 4, *size)))
    assert len(fit.predict(np.zeros((0, 4, *size)))) == 0


def test_an_encoder_that_fails_on_later_patches_is_an_error_that_keeps_the_cause(x, y):
    class Fails(nn.Module):
        def forward(self, x):
            if x[0, 0, 0, 0] == 77:
                raise LookupError("no such patch")
            return x.mean((2, 3))

    fit = quick(Fails(), x, y)
    x[0, 0, 0, 0] = 77
    with pytest.raises(InputError, match=r"`encoder` fails on patches .*no such patch") as caught:
        fit.predict(x)
    assert isinstance(caught.value.__cause__, LookupError)


def test_a_patch_that_an_encoder_maps_to_nan_is_not_called_the_first_class(x, y):
    class Standardised(nn.Module):
        """Divides each patch by its own spread, which is 0 for a constant one."""

        def forward(self, x):
            return ((x - x.mean((1, 2, 3), True)) / x.std((1, 2, 3), keepdim=True)).mean(3)[:, :, 0]

    fit = quick(Standardised(), x, y)
    x[[5, 6]] = 1
    with pytest.raises(InputError, match=r"`x` gives NaN .* in 2 of 41 patches \(first: 5, 6;"):
        fit.predict(x)


def test_bad_weights_are_named_for_patches_of_another_size_too(encoder, x, y):
    fit = quick(encoder, x, y)
    with torch.no_grad():
        next(fit.encoder.parameters())[0] = math.nan
    with pytest.raises(InputError, match="`encoder` has weights that are NaN"):
        fit.predict(np.ones((2, x.shape[1], 11, 11)))


# --- members and passes -------------------------------------------------------------------

CPU = torch.device("cpu")
TASK = Classification(["dry", "moist", "wet"])


class Drifting(nn.Module):
    """Gives other logits in each pass, as dropout would: those of its head, times the pass."""

    def __init__(self, head):
        super().__init__()
        self.head, self.passes = head, []

    def forward(self, features):
        self.passes.append(len(features))
        return self.head(features) * len(self.passes)


def members(number):
    """Members that disagree: linear heads with weights far apart."""
    generator = torch.Generator().manual_seed(9)
    heads = [LinearHead(100, 3) for _ in range(number)]
    for head in heads:
        nn.init.normal_(head.weight, generator=generator)
    return [Model(nn.Flatten(), head) for head in heads]


def in_batches(x, size=16):
    """Batches of patches with their rows, as prediction reads them."""
    patches = torch.from_numpy(x).float()
    rows = torch.arange(len(x)).split(size)
    return [(slice(int(part[0]), int(part[-1]) + 1), patches[part]) for part in rows]


def probabilities(model, x, times=1.0):
    """The softmax of the logits, in double, of one member in one pass."""
    with torch.no_grad():
        logits = model.head(torch.from_numpy(x).float().flatten(1)) * times
    exp = np.exp(logits.double().numpy())
    return exp / exp.sum(axis=1, keepdims=True)


def test_several_members_give_the_mean_of_their_probabilities(x):
    models = members(3)
    found = predicted(TASK, models, 41, (4, 4), in_batches(x), CPU)
    each = [probabilities(model, x) for model in models]
    assert not np.array_equal(each[0].argmax(axis=1), each[1].argmax(axis=1))
    assert_close(found, sum(each) / 3, 1e-6)
    assert_close(found.sum(axis=1), np.ones(41), 1e-12)


def test_one_member_three_times_is_that_member(x):
    (model,) = members(1)
    once = predicted(TASK, [model], 41, (4, 4), in_batches(x), CPU)
    assert_close(predicted(TASK, [model] * 3, 41, (4, 4), in_batches(x), CPU), once, 1e-12)
    assert_close(predicted(TASK, [model], 41, (4, 4), in_batches(x), CPU, passes=3), once, 1e-12)


def test_several_passes_are_as_many_forwards_of_each_batch_and_their_mean(x):
    (model,) = members(1)
    drifting = Drifting(model.head)
    found = predicted(
        TASK, [Model(nn.Flatten(), drifting)], 30, (4, 4), in_batches(x[:30], 15), CPU, passes=2
    )
    assert drifting.passes == [15] * 4  # of each batch both passes, before the next is read
    halves = [
        (probabilities(model, part, first) + probabilities(model, part, first + 1)) / 2
        for part, first in ((x[:15], 1), (x[15:30], 3))
    ]
    assert_close(found, np.concatenate(halves), 1e-6)


def test_members_and_passes_all_count_the_same(x):
    models = members(2)
    drifting = [Model(nn.Flatten(), Drifting(model.head)) for model in models]
    found = predicted(TASK, drifting, 41, (4, 4), in_batches(x, 41), CPU, passes=3)
    each = [probabilities(model, x, times) for model in models for times in (1, 2, 3)]
    assert_close(found, sum(each) / 6, 1e-6)


@pytest.mark.parametrize(("number", "passes"), [(1, 1), (2, 3)])
def test_rows_that_no_batch_has_are_missing_and_all_others_are_as_ever(x, number, passes):
    models = members(number)
    some = [batch for at, batch in enumerate(in_batches(x, 10)) if at != 1]
    found = predicted(TASK, models, 45, (4, 4), some, CPU, passes)
    expected = predicted(TASK, models, 41, (4, 4), in_batches(x), CPU, passes)
    missing = [*range(10, 20), *range(41, 45)]  # the batch left out, and rows beyond the last
    assert np.isnan(found[missing]).all()
    there = [row for row in range(41) if row not in missing]
    assert_close(found[there], expected[there], 1e-6)


@pytest.mark.parametrize(("number", "passes"), [(1, 1), (2, 3)])
def test_without_any_row_there_are_no_values_or_only_missing_ones(number, passes):
    assert predicted(TASK, members(number), 0, (4, 4), [], CPU, passes).shape == (0, 3)
    found = predicted(TASK, members(number), 4, (4, 4), [], CPU, passes)
    assert found.shape == (4, 3)
    assert np.isnan(found).all()


class Stumbling(nn.Module):
    """Gives NaN for rows whose first feature is above a limit."""

    def __init__(self, head, limit):
        super().__init__()
        self.head, self.limit = head, limit

    def forward(self, features):
        return torch.where(features[:, :1] > self.limit, math.nan, self.head(features))


@pytest.mark.parametrize("stumbles", [0, 1, 2])
def test_a_value_that_one_member_cannot_give_is_an_error_that_names_the_rows(x, stumbles):
    x[[3, 8], 0, 0, 0] = 99
    models = members(3)
    models[stumbles] = Model(nn.Flatten(), Stumbling(models[stumbles].head, 50))
    with pytest.raises(InputError, match=r"`x` gives NaN .* in 2 of 41 patches \(first: 3, 8;"):
        predicted(TASK, models, 41, (4, 4), in_batches(x), CPU, passes=2)


@pytest.mark.parametrize("spoilt", [0, 1, 2])
def test_weights_that_are_not_finite_are_named_whichever_member_has_them(x, spoilt):
    models = members(3)
    with torch.no_grad():
        models[spoilt].head.weight[0, 0] = math.inf
    with pytest.raises(InputError, match="`head` has weights that are NaN or infinite"):
        predicted(TASK, models, 41, (4, 4), in_batches(x), CPU)


def test_prediction_leaves_what_members_are_made_of_in_eval_mode_and_their_weights(x, state_of):
    models = members(2)
    before = [state_of(model) for model in models]
    predicted(TASK, models, 41, (4, 4), in_batches(x), CPU, passes=2)
    for model, state in zip(models, before, strict=True):
        assert not any(part.training for part in (model.encoder, model.head))
        assert all(torch.equal(model.state_dict()[name], state[name]) for name in state)
