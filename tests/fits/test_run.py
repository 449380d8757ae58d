"""Linear probing and full fine-tuning against the plain loops they stand for."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from closeness import assert_close
from edaphos_bridge import foundation_encoder, foundation_fit_classifier
from edaphos_bridge.classifier import FoundationClassifier
from edaphos_bridge.data.labels import as_labels
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.features import encode_features
from edaphos_bridge.errors import EdaphosWarning, InputError, TrainingError
from edaphos_bridge.fits import run as engine
from edaphos_bridge.heads.registry import make_head
from edaphos_bridge.tasks.classification import Classification
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.plan import Plan
from edaphos_bridge.training.settings import FitSettings
from heard import Heard

N, N_TRAIN, EPOCHS = 41, 33, 3


@pytest.fixture
def patches(x):
    return torch.from_numpy(x.astype(np.float32))


@pytest.fixture
def labels(y):
    return as_labels(y)


@pytest.fixture
def plan():
    """33 training rows: with batches of 32 the last has one patch."""
    generator = torch.Generator().manual_seed(5)
    rows = torch.randperm(N, generator=generator)
    orders = [torch.randperm(N_TRAIN, generator=generator) for _ in range(EPOCHS)]
    return Plan(rows[:N_TRAIN].sort().values, rows[N_TRAIN:], lambda epoch: orders[epoch])


@pytest.fixture
def fit(patches, labels):
    """Train with some settings changed."""

    def run(encoder, *, plan=None, initial_head=None, events=None, **changes):
        settings = {
            "freeze_backbone": True,
            "head": "linear",
            "hidden": (6,),
            "dropout": 0.0,
            "epochs": EPOCHS,
            "batch_size": 32,
            "lr": 0.01,
            "weight_decay": 0.1,
            "backbone_lr_mult": 0.5,
            "val_split": 0.2,
            "seed": 1,
            **changes,
        }
        return engine.fit(
            FoundationClassifier,
            Classification.of(labels),
            labels.codes,
            encoder,
            Patches(patches),
            FitSettings.checked(**settings),
            torch.device("cpu"),
            events or Events(),
            plan=plan,
            head=initial_head,
        )

    return run


class Adam:
    """Adam with coupled weight decay, written out."""

    def __init__(self, parameters, lr, weight_decay):
        self.parameters = list(parameters)
        self.moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in self.parameters]
        self.lr, self.weight_decay, self.t = lr, weight_decay, 0

    @torch.no_grad()
    def step(self):
        self.t += 1
        for p, (m, v) in zip(self.parameters, self.moments, strict=True):
            if p.grad is None:
                continue
            g = p.grad + self.weight_decay * p
            m.mul_(0.9).add_(0.1 * g)
            v.mul_(0.999).add_(0.001 * g * g)
            m_hat, v_hat = m / (1 - 0.9**self.t), v / (1 - 0.999**self.t)
            p.sub_(self.lr * m_hat / (v_hat.sqrt() + 1e-8))
            p.grad = None


def plain_loop(encoder, head, patches, codes, plan, *, frozen, backbone_lr=0.005, batch=32):
    """The original's loop with validation in eval mode: nothing cached, nothing clever."""
    optimizers = [Adam(head.parameters(), 0.01, 0.1)]
    if frozen:
        encoder.requires_grad_(False)
    else:
        optimizers.append(Adam(encoder.parameters(), backbone_lr, 0.1))
    losses, accuracies = [], []
    for epoch in range(EPOCHS):
        order = plan.train_rows[plan.permutation(epoch)]
        batch_losses = []
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            encoder.train(not frozen)
            head.train()
            if len(rows) == 1 and not frozen:  # no variance: the running statistics serve
                for part in encoder.modules():
                    if isinstance(part, nn.BatchNorm1d):
                        part.eval()
            logits = head(encode_features(encoder, patches[rows]))
            loss = functional.cross_entropy(logits, codes[rows])
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            batch_losses.append(loss.item())
        losses.append(sum(batch_losses) / len(batch_losses))
        encoder.eval()
        head.eval()
        with torch.no_grad():
            logits = head(encode_features(encoder, patches[plan.val_rows]))
        accuracies.append((logits.argmax(1) == codes[plan.val_rows]).double().mean().item())
    return losses, accuracies


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


def test_a_frozen_encoder_runs_once_over_the_data_and_never_in_train_mode(fit, encoder, state_of):
    calls = []
    encoder.register_forward_pre_hook(
        lambda module, inputs: calls.append((module.training, len(inputs[0])))
    )
    before = state_of(encoder)
    trained = fit(encoder, epochs=7)
    assert calls == [(False, 1), (False, N)]  # finding feature_dim, and the features
    for name, tensor in trained.encoder.state_dict().items():
        assert torch.equal(tensor, before[name])


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


@pytest.mark.parametrize("freeze_backbone", [True, False])
@pytest.mark.parametrize("val_split", [0.2, 0])
def test_afterwards_both_modules_are_in_eval_mode(fit, dropout_encoder, freeze_backbone, val_split):
    settings = {"head": "mlp", "dropout": 0.5, "val_split": val_split}
    trained = fit(dropout_encoder, freeze_backbone=freeze_backbone, **settings)
    parts = [*trained.encoder.modules(), *trained.head.modules()]
    assert not any(part.training for part in parts)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in parts)


def test_dropout_in_the_head_acts_and_is_seeded(fit, encoder):
    def weights(**changes):
        trained = fit(copy.deepcopy(encoder), head="mlp", **changes)
        return torch.cat([p.detach().flatten() for p in trained.head.parameters()])

    assert torch.equal(weights(dropout=0.5), weights(dropout=0.5))
    assert not torch.equal(weights(dropout=0.5), weights(dropout=0.0))
    assert not torch.equal(weights(dropout=0.5), weights(dropout=0.5, seed=2))


def test_a_seed_is_drawn_only_when_there_is_none_and_kept(patches, labels, encoder, fit):
    config = fit(encoder, seed=5).config
    assert config["seed"] == 5
    trained = engine.fit(
        FoundationClassifier,
        Classification.of(labels),
        labels.codes,
        encoder,
        Patches(patches),
        FitSettings.checked(**{**config, "freeze_backbone": True, "seed": None}),
        torch.device("cpu"),
        Events(),
        lambda: 77,
    )
    assert trained.config["seed"] == 77


@pytest.mark.parametrize(("freeze_backbone", "head"), [(True, "mlp"), (False, "linear")])
def test_a_listener_hears_of_every_step_every_epoch_and_the_end(
    fit, encoder, freeze_backbone, head
):
    events = Heard()
    trained = fit(encoder, events=events, freeze_backbone=freeze_backbone, head=head)
    losses = torch.stack(events.losses).double().reshape(EPOCHS, -1).mean(dim=1)
    assert losses.tolist() == trained.loss_history
    assert [report.loss for report in events.reports] == trained.loss_history
    assert [report.score for report in events.reports] == trained.score_history
    assert events.ends == 1


def test_features_that_are_not_finite_are_an_error_that_says_which_patches(fit, no_training):
    class Log(nn.Module):
        def forward(self, x):
            return torch.log(x[:, :2, 0, 0])

    with pytest.raises(InputError, match=r"`encoder` returns NaN or infinite features for \d+ of"):
        fit(Log())


def test_diverging_training_is_an_error_and_not_a_classifier(fit, encoder):
    with pytest.raises(TrainingError, match="training has diverged"):
        fit(encoder, lr=1e30, freeze_backbone=False, backbone_lr_mult=1.0, epochs=3)


def test_an_encoder_without_parameters_can_be_fine_tuned_without_a_word(fit):
    trained = fit(nn.Flatten(), freeze_backbone=False)
    assert trained.feature_dim == 100


def test_an_encoder_whose_parameters_need_no_gradient_is_fine_tuned_with_a_warning(
    fit, encoder, state_of
):
    before = state_of(encoder)
    encoder.requires_grad_(False)
    with pytest.warns(EdaphosWarning, match="no parameter of the encoder requires a gradient"):
        trained = fit(encoder, freeze_backbone=False)
    for name, _ in encoder.named_parameters():
        assert torch.equal(trained.encoder.state_dict()[name], before[name])


def test_parameters_that_the_user_froze_stay_as_they_are(fit, encoder, state_of):
    before = state_of(encoder)
    encoder.backbone.conv1.requires_grad_(False)
    after = fit(encoder, freeze_backbone=False).encoder.state_dict()
    assert torch.equal(after["backbone.conv1.weight"], before["backbone.conv1.weight"])
    assert not torch.equal(after["backbone.conv2.weight"], before["backbone.conv2.weight"])


def test_without_validation_all_rows_train_and_accuracy_is_nan(fit, encoder):
    seen = []
    head = make_head("mlp", 8, 3, (4,), 0.0)
    head.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    trained = fit(encoder, val_split=0, initial_head=head, epochs=1)
    assert seen == [32, 9]
    assert all(math.isnan(value) for value in trained.val_accuracy_history)


def test_a_fit_trains_where_gradients_were_left_off(x, y, encoder):
    with torch.no_grad():
        fit = foundation_fit_classifier(encoder, x, y, epochs=2, seed=1, freeze_backbone=False)
        assert not torch.is_grad_enabled()
    again = foundation_fit_classifier(encoder, x, y, epochs=2, seed=1, freeze_backbone=False)
    assert fit.loss_history == again.loss_history
