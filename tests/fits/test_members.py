"""Members and passes: each gives what it would alone, and an encoder runs no more than it must."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.errors import InputError
from edaphos_bridge.fits.model import Model
from edaphos_bridge.fits.prediction import predicted
from edaphos_bridge.heads.registry import make_head
from edaphos_bridge.tasks.classification import Classification

CPU = torch.device("cpu")
TASK = Classification(["a", "b", "c"])


@pytest.fixture
def patches():
    return torch.randn(20, 4, 5, 5, generator=torch.Generator().manual_seed(1))


def heads(width, n, dropout=0.0):
    torch.manual_seed(2)
    return [make_head("mlp", width, 3, (8,), dropout) for _ in range(n)]


def each_of(members, patches, **how):
    batches = [(slice(0, 12), patches[:12].clone()), (slice(12, 20), patches[12:].clone())]
    return predicted(TASK, members, 23, (4, 4), batches, CPU, each=True, **how)


def alone(model, patches):
    with torch.no_grad():
        return model.eval()(patches).double().softmax(dim=1)


def counted(module, log):
    module.register_forward_hook(lambda *_: log.append(1))
    return module


def test_every_member_s_values_stand_by_themselves_and_their_mean_is_the_default(
    dropout_encoder, patches
):
    members = [Model(copy.deepcopy(dropout_encoder), head) for head in heads(6, 3)]
    with torch.no_grad():
        for shift, member in enumerate(members):
            member.encoder[0].bias += shift
    found = each_of(members, patches)
    assert found.shape == (3, 23, 3)
    assert np.isnan(found[:, 20:]).all()
    for member, values in zip(members, found, strict=True):
        assert_close(values[:20], alone(member, patches), 1e-6)
    mean = predicted(TASK, members, 20, (4, 4), [(slice(0, 20), patches)], CPU)
    assert_close(mean, found[:, :20].mean(axis=0), 1e-12)


def test_an_encoder_that_members_share_runs_once_a_batch(dropout_encoder, patches):
    runs = []
    encoder = counted(dropout_encoder, runs)
    members = [Model(encoder, head) for head in heads(6, 3)]
    found = each_of(members, patches)
    assert len(runs) == 2
    for member, values in zip(members, found, strict=True):
        assert_close(values[:20], alone(member, patches), 1e-6)


def test_modules_that_write_to_their_input_spoil_no_other_member(patches):
    torch.manual_seed(3)
    features = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    encoders = [nn.Sequential(nn.ReLU(inplace=True), *features), nn.Sequential(*features)]
    writing = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 3))
    members = [
        Model(encoders[0], nn.Linear(4, 3)),
        Model(encoders[1], writing),
        Model(encoders[1], nn.Linear(4, 3)),
    ]
    expected = [alone(member, patches.clone()) for member in members]
    for values, own in zip(each_of(members, patches), expected, strict=True):
        assert_close(values[:20], own, 1e-6)


def test_passes_without_draws_are_equal(dropout_encoder, patches):
    found = each_of([Model(dropout_encoder, heads(6, 1)[0])], patches, passes=3)
    assert np.array_equal(found[0], found[1], equal_nan=True)
    assert np.array_equal(found[0], found[2], equal_nan=True)


def test_draws_are_dropout_of_the_head_written_out(encoder, patches):
    """Of a fresh generator: each pass of each batch draws which hidden units stay."""
    head = heads(8, 1, dropout=0.4)[0]
    found = each_of([Model(encoder, head)], patches, passes=4, draws=lambda: Randomness(7))
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        features = encoder.eval()(patches)
        for rows in (slice(0, 12), slice(12, 20)):
            hidden = head[1](head[0](features[rows]))
            for values in found:
                kept = torch.empty_like(hidden).bernoulli_(0.6, generator=generator)
                logits = head[3](hidden * kept / 0.6)
                assert_close(values[rows], logits.double().softmax(dim=1), 1e-5)


def test_only_dropout_is_in_training_mode(dropout_encoder, patches, snapshot):
    before = snapshot(dropout_encoder.eval())
    member = Model(dropout_encoder, heads(6, 1, dropout=0.5)[0])
    drawing = member.for_draws(CPU)
    modes = {type(part): part.training for part in drawing.modules() if not list(part.children())}
    assert [kind for kind, training in modes.items() if training] == [nn.Dropout]
    each_of([member], patches, passes=3, draws=lambda: Randomness(1))
    assert snapshot(dropout_encoder) == before


def test_an_encoder_that_drops_runs_in_every_pass_and_others_once_a_batch(
    dropout_encoder, encoder, patches
):
    for module, width, runs_a_batch in ((dropout_encoder, 6, 5), (encoder, 8, 1)):
        runs = []  # of the encoder's copies too, which keep its hooks
        member = Model(counted(module, runs), heads(width, 1, dropout=0.5)[0])
        each_of([member], patches, passes=5, draws=lambda: Randomness(1))
        assert len(runs) == 2 * runs_a_batch


def test_values_that_are_not_finite_are_an_error_with_their_rows(patches):
    model = Model(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(4, 3))
    patches[[3, 15]] = 1e38
    with torch.no_grad():
        model.head.weight.fill_(1e3)
    with pytest.raises(InputError, match=r"in 2 of 23 patches \(first: 3, 15;"):
        each_of([model, model], patches)
