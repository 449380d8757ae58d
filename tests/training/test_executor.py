"""How phases are computed: each way against the plain loop that it stands for."""

import copy

import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import foundation_encoder
from edaphos_bridge.heads.registry import make_head
from engine_fits import EPOCHS, fitted, plain_loop, plan_of_41


@pytest.fixture
def plan():
    return plan_of_41()


@pytest.fixture
def fit(patches, labels):
    """Train with some settings changed."""
    return lambda encoder, **changes: fitted(patches, labels, encoder, **changes)


def assert_same_training(trained, encoder, head, losses, accuracies):
    assert_close(trained.loss_history, losses, 1e-5)
    assert_close(trained.val_accuracy_history, accuracies, 1e-12)
    for module, expected in ((trained.head, head), (trained.encoder, encoder)):
        assert_close(module.state_dict(), expected.state_dict(), 1e-5)


@pytest.mark.parametrize("head_type", ["linear", "mlp"])
def test_a_head_on_cached_features_is_the_head_of_the_loop_that_encodes_in_every_step(
    fit, encoder, patches, labels, plan, head_type
):
    head = make_head(head_type, 8, 3, (6,), 0.0)
    plain = copy.deepcopy(encoder), copy.deepcopy(head)
    trained = fit(encoder, plan=plan, initial_head=head)
    expected = plain_loop(*plain, patches, labels.codes, plan, frozen=True)
    assert_same_training(trained, *plain, *expected)


def test_a_linear_layer_of_ones_own_is_trained_by_autograd_to_what_the_closed_form_gives(
    fit, encoder, plan
):
    head, own = make_head("linear", 8, 3, (), 0.0), nn.Linear(8, 3)
    own.load_state_dict(head.state_dict())
    backward = []
    own.weight.register_hook(lambda gradient: backward.append(1))
    closed = fit(copy.deepcopy(encoder), plan=plan, initial_head=head)
    trained = fit(encoder, plan=plan, initial_head=own)
    assert len(backward) == 2 * EPOCHS
    assert_same_training(
        closed, trained.encoder, own, trained.loss_history, trained.val_accuracy_history
    )


def test_full_fine_tuning_is_the_plain_loop_with_two_rates_and_decay_on_both(
    fit, patches, labels, plan
):
    torch.manual_seed(3)
    encoder = nn.Sequential(
        nn.Conv2d(4, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(6)
    )
    head = make_head("linear", 6, 3, (), 0.0)
    plain = copy.deepcopy(encoder), copy.deepcopy(head)
    trained = fit(encoder, plan=plan, initial_head=head, freeze_backbone=False)
    expected = plain_loop(*plain, patches, labels.codes, plan, frozen=False)
    assert_same_training(trained, *plain, *expected)


def test_full_fine_tuning_of_an_encoder_of_ours_is_the_plain_loop_too(fit, patches, labels, plan):
    """SimCLR, because Adam turns the rounding of a bias before a BatchNorm into whole steps."""
    encoder = foundation_encoder("simclr", 4, feature_dim=6, proj_dim=3, seed=1)
    head = make_head("mlp", 6, 3, (5,), 0.0)
    plain = copy.deepcopy(encoder), copy.deepcopy(head)
    trained = fit(encoder, plan=plan, initial_head=head, freeze_backbone=False)
    expected = plain_loop(*plain, patches, labels.codes, plan, frozen=False)
    assert_same_training(trained, *plain, *expected)


def test_a_rate_of_zero_leaves_the_backbones_weights_and_not_its_statistics(fit, encoder, state_of):
    before = state_of(encoder)
    after = fit(encoder, freeze_backbone=False, backbone_lr_mult=0).encoder.state_dict()
    for name, _ in encoder.named_parameters():
        assert torch.equal(after[name], before[name])
    assert not torch.equal(after["backbone.bn1.running_mean"], before["backbone.bn1.running_mean"])


def test_the_projection_of_an_encoder_is_not_trained(fit, encoder, state_of):
    before = state_of(encoder)
    after = fit(encoder, freeze_backbone=False, weight_decay=0.0).encoder.state_dict()
    assert not torch.equal(after["backbone.conv1.weight"], before["backbone.conv1.weight"])
    for name in before:
        if name.startswith("proj."):
            assert torch.equal(after[name], before[name])


def test_parameters_that_the_user_froze_stay_as_they_are(fit, encoder, state_of):
    before = state_of(encoder)
    encoder.backbone.conv1.requires_grad_(False)
    after = fit(encoder, freeze_backbone=False).encoder.state_dict()
    assert torch.equal(after["backbone.conv1.weight"], before["backbone.conv1.weight"])
    assert not torch.equal(after["backbone.conv2.weight"], before["backbone.conv2.weight"])


def test_the_head_sees_every_training_row_once_an_epoch_and_validation_rows_only_in_eval_mode(
    fit, patches, plan
):
    seen = {True: [], False: []}

    class Counting(nn.Linear):
        def forward(self, x):
            seen[self.training].append(x[:, 0].long().tolist())
            return super().forward(x)

    class RowNumber(nn.Module):
        """Gives each patch its row as its only feature; rows are known by their first cell."""

        def __init__(self, patches):
            super().__init__()
            self.first = patches[:, 0, 0, 0].tolist()

        def forward(self, x):
            return torch.tensor([[float(self.first.index(v))] for v in x[:, 0, 0, 0].tolist()])

    fit(RowNumber(patches), plan=plan, initial_head=Counting(1, 3))
    for epoch in range(EPOCHS):
        first, last = seen[True][2 * epoch : 2 * epoch + 2]
        assert (len(first), len(last)) == (32, 1)
        assert first + last == plan.train_rows[plan.permutation(epoch)].tolist()
        assert seen[False][epoch] == plan.val_rows.tolist()


def test_dropout_in_the_head_acts_and_is_seeded(fit, encoder):
    def weights(**changes):
        trained = fit(copy.deepcopy(encoder), head="mlp", **changes)
        return torch.cat([p.detach().flatten() for p in trained.head.parameters()])

    assert torch.equal(weights(dropout=0.5), weights(dropout=0.5))
    assert not torch.equal(weights(dropout=0.5), weights(dropout=0.0))
    assert not torch.equal(weights(dropout=0.5), weights(dropout=0.5, seed=2))
