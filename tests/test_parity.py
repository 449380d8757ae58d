"""The recorded runs of the R original (tests/fixtures/README.md), replayed."""

import json
from collections import defaultdict

import numpy as np
import pytest
import torch

from closeness import assert_close
from edaphos_bridge import foundation_encoder
from edaphos_bridge.classifier import FoundationClassifier
from edaphos_bridge.data.labels import as_labels
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.features import encode_features
from edaphos_bridge.encoders.moco import MoCoEncoder
from edaphos_bridge.fits import run as engine
from edaphos_bridge.heads.registry import LinearHead
from edaphos_bridge.tasks.classification import Classification
from edaphos_bridge.training.backprop import Backprop
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.linear import LinearHeads
from edaphos_bridge.training.plan import Plan
from edaphos_bridge.training.settings import FitSettings


@pytest.fixture(scope="module")
def recorded(data_folder):
    """One file of recordings as a dict of arrays."""

    def read(name):
        with np.load(data_folder / "rtorch" / f"{name}.npz", allow_pickle=False) as stored:
            return dict(stored)

    return read


@pytest.fixture(scope="module")
def recorded_encoder(recorded):
    """The encoder of a recording, with R torch's weights."""

    def build(name, feature_dim, proj_dim):
        stored = recorded(name)
        module = foundation_encoder(name, 4, feature_dim=feature_dim, proj_dim=proj_dim)
        module.load_state_dict(_state(stored, "state/", module))
        return module.eval(), stored

    return build


def _state(stored, prefix, module):
    """The state dict stored under `prefix`; R torch's counters have shape [1], torch's []."""
    state = {}
    for name, value in stored.items():
        if name.startswith(prefix):
            scalar = name.endswith("num_batches_tracked")
            state[name.removeprefix(prefix)] = torch.from_numpy(
                value.reshape(()) if scalar else value
            )
    assert set(state) == set(module.state_dict())
    return state


ENCODERS = [("moco", 16, 8, 44), ("simclr", 16, 8, 8)]


@pytest.mark.parametrize(("name", "feature_dim", "proj_dim", "n_tensors"), ENCODERS)
def test_encoders_take_the_state_dict_of_the_original(
    recorded_encoder, name, feature_dim, proj_dim, n_tensors
):
    module, _ = recorded_encoder(name, feature_dim, proj_dim)
    assert len(module.state_dict()) == n_tensors


@pytest.mark.parametrize(("name", "feature_dim", "proj_dim", "n_tensors"), ENCODERS)
def test_features_and_projections_of_both_encoders_are_within_1e_6(
    recorded, recorded_encoder, name, feature_dim, proj_dim, n_tensors
):
    module, stored = recorded_encoder(name, feature_dim, proj_dim)
    patches = Patches(recorded("patches")["x_pretrain"]).tensor()
    with torch.no_grad():
        features = encode_features(module, patches)
        projections = module.project(features)
    assert_close(features, stored["backbone_features"], 1e-6)
    assert_close(projections, stored["projections"], 1e-6)


class UsualLayout(MoCoEncoder):
    """Our encoder as a module of the user's own, which trains in torch's usual memory layout.

    R torch computed so. Channels last, the layout for our own encoders, sums in another order; the
    first steps of Adam turn every gradient into a step of nearly `lr`, so weights whose gradient
    is rounding go elsewhere, and logits with them. The losses do not: see
    `test_losses_of_full_fine_tuning_are_those_of_the_original_in_our_own_layout_too`.
    """


class Replay:
    """A recorded fit, run again with its initial head, its split and its permutations."""

    def __init__(self, name, recorded, encoder, data_folder, monkeypatch):
        config = json.loads((data_folder / "rtorch" / f"{name}.json").read_text())
        self.stored = recorded(name)
        self.batches_per_epoch = 2
        patches = recorded("patches")
        self.classes = patches["classes"].tolist()
        self.x, self.x_other = patches["x_labelled"], patches["x_pretrain"]
        head = LinearHead(16, 3)
        head.load_state_dict(_state(self.stored, "head_initial.", head))
        self.logits = defaultdict(list)
        head.register_forward_hook(self._record)
        self._record_closed_form(monkeypatch)
        settings = FitSettings.checked(**config, freeze_backbone=name == "fit_linear_frozen")
        permutations = torch.from_numpy(self.stored["perms_1based"]).long() - 1
        labels = as_labels(patches["y_labelled"])
        assert labels.classes == self.classes
        self.fit = engine.fit(
            FoundationClassifier,
            Classification.of(labels),
            labels.codes,
            encoder,
            Patches(self.x),
            settings,
            torch.device("cpu"),
            Events(),
            plan=Plan(
                torch.from_numpy(self.stored["train_1based"]).long() - 1,
                torch.from_numpy(self.stored["val_1based"]).long() - 1,
                lambda epoch: permutations[epoch],
            ),
            head=head,
        )

    def _record(self, head, inputs, output):
        self.logits["train" if head.training else "val"].append(output.detach().numpy().copy())

    def _record_closed_form(self, monkeypatch):
        """A linear head on cached features trains in closed form, without calling the module."""
        logits, correct, inside = LinearHeads.logits, LinearHeads.correct, []

        def recorded_logits(heads, features):
            result = logits(heads, features)
            self.logits["val" if inside else "train"].append(result[0, :, 0].numpy().copy())
            return result

        def recorded_correct(heads, rows):
            inside.append(True)
            result = correct(heads, rows)
            inside.pop()
            return result

        monkeypatch.setattr(LinearHeads, "logits", recorded_logits)
        monkeypatch.setattr(LinearHeads, "correct", recorded_correct)

    def train_logits(self, epoch):
        """Ours and theirs for every training batch of an epoch counted from 1."""
        first = (epoch - 1) * self.batches_per_epoch
        for batch in range(self.batches_per_epoch):
            theirs = self.stored[f"logits/ep{epoch:02d}_b{batch + 1}"]
            yield self.logits["train"][first + batch], theirs


@pytest.fixture(scope="module")
def replay(recorded, recorded_encoder, data_folder):
    """Run a recorded fit again."""

    def run(name, kind=MoCoEncoder):
        with pytest.MonkeyPatch.context() as monkeypatch:
            encoder = recorded_encoder("moco", 16, 8)[0]
            encoder.__class__ = kind
            return Replay(name, recorded, encoder, data_folder, monkeypatch)

    return run


@pytest.fixture(scope="module")
def full_replay(replay):
    """The recorded full fine-tuning, run once for the tests that look at it."""
    return replay("fit_full", UsualLayout)


def test_a_recorded_linear_probe_is_the_same_number_for_number(replay):
    run = replay("fit_linear_frozen")
    stored, trained = run.stored, run.fit
    assert len(run.logits["train"]) == 10
    assert len(run.logits["val"]) == 5
    for epoch in range(1, 6):
        for ours, theirs in run.train_logits(epoch):
            assert_close(ours, theirs, 1e-5)
        theirs = stored[f"logits/ep{epoch:02d}_val"]
        assert_close(run.logits["val"][epoch - 1], theirs, 1e-5)
    assert_close(trained.loss_history, stored["loss_history"], 1e-5)
    assert trained.val_accuracy_history == stored["val_accuracy_history"].tolist()
    for name, value in trained.head.state_dict().items():
        assert_close({name: value}, {name: stored[f"head_final.{name}"]}, 1e-6)
    labelled = run.fit.predict(run.x, type="prob")
    assert labelled.columns.tolist() == run.classes
    assert_close(labelled, stored["predict_prob"], 1e-6)
    other = run.fit.predict_proba(run.x_other)
    assert_close(other, stored["predict_prob_x_pretrain"], 1e-6)
    assert list(run.fit.predict(run.x)) == stored["predict_class"].tolist()


def test_the_first_epoch_of_a_recorded_full_fine_tuning_is_the_same(full_replay):
    for ours, theirs in full_replay.train_logits(1):
        assert_close(ours, theirs, 1e-5)
    ours, theirs = full_replay.fit.loss_history[0], full_replay.stored["loss_history"][0]
    assert_close(ours, theirs, 1e-5)


def test_every_epoch_of_a_recorded_full_fine_tuning_trains_as_in_the_original(full_replay):
    """Training batches never see running statistics, so the original's validation in training
    mode changes nothing of what is trained. Only the biases of convolutions before a BatchNorm,
    which takes them out again, are not comparable: their gradient is rounding, which Adam
    turns into whole steps."""
    stored, trained = full_replay.stored, full_replay.fit
    for epoch in range(1, 4):
        for ours, theirs in full_replay.train_logits(epoch):
            assert_close(ours, theirs, 1e-5)
    assert_close(trained.loss_history, stored["loss_history"], 1e-5)
    for name, value in trained.head.state_dict().items():
        assert_close({name: value}, {name: stored[f"head_final.{name}"]}, 1e-6)
    for name, value in trained.encoder.named_parameters():
        if not (name.startswith("backbone.conv") and name.endswith("bias")):
            theirs = torch.from_numpy(stored[f"encoder_final/{name}"])
            # Adam moves a weight by 1e-3 a step, which way a gradient near 0 says: there rounding
            # shows. 6e-7 to 6e-6 are seen, depending on the kernels of the processor.
            assert_close({name: value}, {name: theirs}, 2e-5)
            assert_close({name: (value - theirs).norm()}, {name: 0.0}, 2e-6, theirs.norm())


def test_losses_of_full_fine_tuning_are_those_of_the_original_in_our_own_layout_too(replay):
    run = replay("fit_full")
    assert_close(run.fit.loss_history, run.stored["loss_history"], 1e-5)


def test_validation_in_training_mode_is_all_that_separates_full_fine_tuning_from_the_original(
    replay, monkeypatch
):
    def as_the_original_does(self, rows):
        self.model.train()
        self.model.head.eval()  # so that the replay files these logits under "val"
        with torch.no_grad():
            found = self.model(self.inputs.read(rows)).argmax(dim=1)
        return (found == self.targets[rows]).double().mean().item()

    monkeypatch.setattr(Backprop, "score", as_the_original_does)
    run = replay("fit_full", UsualLayout)
    stored = run.stored
    assert run.fit.val_accuracy_history == stored["val_accuracy_history"].tolist()
    for epoch in range(1, 4):
        theirs = stored[f"logits/ep{epoch:02d}_val"]
        assert_close(run.logits["val"][epoch - 1], theirs, 1e-5)
    for name, value in run.fit.encoder.named_buffers():
        if name.endswith("num_batches_tracked"):
            assert value.item() == stored[f"encoder_final/{name}"].item()
    assert list(run.fit.predict(run.x)) == stored["predict_class"].tolist()
    # Running means follow the drifting biases late, so these agree as far as the biases do.
    assert_close(run.fit.predict_proba(run.x), stored["predict_prob"], 1e-3)
    theirs = stored["predict_prob_x_pretrain"]
    assert_close(run.fit.predict_proba(run.x_other), theirs, 1e-3)
