"""What helps any fit to train: weights of classes, smoothing, patience, views."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from closeness import assert_close
from edaphos_bridge import (
    FoundationClassifier,
    foundation_encoder,
    foundation_finetune_classifier,
    foundation_fit_classifier,
    foundation_fit_segmenter,
    foundation_phase,
)
from edaphos_bridge.data.labels import as_labels
from edaphos_bridge.errors import EdaphosWarning, InputError
from edaphos_bridge.tasks.classification import Classification
from edaphos_bridge.training.plan import Plan
from small_fits import REGIMES, quick, same

CODES = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 2, 2])
LABELS = as_labels(["a", "a", "a", "a", "a", "a", "b", "b", "c", "c"])


def weights(class_weight, rows=range(10)):
    plan = Plan(torch.tensor(list(rows)), torch.tensor([], dtype=torch.int64), lambda epoch: None)
    return Classification.of(LABELS, class_weight).learnt_from(CODES, plan).weights


def test_balanced_weights_are_those_of_scikit_learn():
    assert_close(weights("balanced"), [10 / (3 * 6), 10 / (3 * 2), 10 / (3 * 2)], 1e-12)


def test_weights_come_from_the_training_rows_alone():
    assert_close(weights("balanced", range(4, 10)), [1.0, 1.0, 1.0], 1e-12)


def test_a_class_that_does_not_train_weighs_nothing_since_smoothed_labels_hold_a_share_of_it():
    with pytest.warns(EdaphosWarning, match="no training row of: c"):
        found = weights("balanced", range(8))
    assert_close(found, [8 / (3 * 6), 8 / (3 * 2), 0.0], 1e-12)


def test_capped_weights_end_at_ten():
    rows = torch.cat([torch.zeros(95), torch.ones(4), torch.full((1,), 2)]).long()
    plan = Plan(torch.arange(100), torch.tensor([], dtype=torch.int64), lambda epoch: None)
    found = Classification(["a", "b", "c"], class_weight="capped").learnt_from(rows, plan).weights
    assert_close(found, [100 / (3 * 95), 100 / (3 * 4), 10.0], 1e-12)


def test_weights_by_name_are_those_given():
    assert weights({"c": 3, "a": 1, "b": 2.5}) == [1, 2.5, 3]


def test_the_loss_is_torchs_weighted_and_smoothed_cross_entropy():
    task = Classification(["a", "b"], label_smoothing=0.2, weights=[1.0, 3.0])
    outputs = torch.randn(5, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    codes = torch.tensor([0, 1, 1, 0, 1])
    log_p = outputs.log_softmax(1)
    weight = torch.tensor([1.0, 3.0], dtype=torch.float64)
    of_target = -(log_p.gather(1, codes[:, None])[:, 0] * weight[codes]).sum()
    of_all = -(log_p * weight).sum() / 2
    wanted = (0.8 * of_target + 0.2 * of_all) / weight[codes].sum()
    assert_close(task.loss(outputs, codes), wanted, 1e-12)


@REGIMES
def test_a_weight_of_one_for_each_class_changes_next_to_nothing(encoder, x, y, freeze_backbone):
    plain = quick(encoder, x, y, freeze_backbone=freeze_backbone)
    ones = dict.fromkeys(plain.classes, 1.0)
    weighted = quick(encoder, x, y, freeze_backbone=freeze_backbone, class_weight=ones)
    assert_close(weighted.loss_history, plain.loss_history, 1e-4)
    assert weighted.config["class_weight"] == ones
    assert "class_weight" not in plain.config


def test_weights_move_predictions_towards_the_heavy_class(x):
    y = ["rare"] * 6 + ["common"] * 35
    encoder = foundation_encoder("moco", 4, feature_dim=8, proj_dim=4, seed=1)
    settings = {"epochs": 20, "lr": 0.05, "val_split": 0}
    plain = quick(encoder, x, y, **settings)
    balanced = quick(encoder, x, y, class_weight="balanced", **settings)
    rare = plain.classes.index("rare")
    assert balanced.predict_proba(x)[:, rare].mean() > 2 * plain.predict_proba(x)[:, rare].mean()


@pytest.mark.parametrize(
    "class_weight",
    ["even", 2, ["balanced"], {}, {"Oxisol": 1}, {"Oxisol": 1, "Ultisol": -1, "Inceptisol": 1}],
)
def test_weights_that_cannot_be_used_are_refused(encoder, x, y, class_weight):
    with pytest.raises(InputError) as raised:
        quick(encoder, x, y, class_weight=class_weight)
    assert raised.value.argument == "class_weight"


@REGIMES
def test_with_patience_the_best_weights_are_kept_and_epochs_end(easy, encoder, freeze_backbone):
    x, y = easy
    fit = foundation_fit_classifier(
        encoder, x, y, epochs=60, lr=0.05, patience=4, seed=2, freeze_backbone=freeze_backbone
    )
    scores = fit.val_accuracy_history
    best = scores.index(max(scores))
    assert len(scores) == best + 1 + 4 or len(scores) == 60
    assert fit.config["epochs"] == len(scores)
    until_best = foundation_fit_classifier(
        encoder,
        x,
        y,
        epochs=best + 1,
        lr=0.05,
        patience=60,
        seed=2,
        freeze_backbone=freeze_backbone,
    )
    assert np.array_equal(fit.predict_proba(x), until_best.predict_proba(x))
    assert "kept" in repr(fit)


def test_a_later_phase_that_is_worse_leaves_the_best_weights():
    codes = np.arange(48) % 3
    x = np.random.default_rng(1).normal(size=(48, 4, 5, 5))
    x[np.arange(48), codes] += 2  # a channel for each class
    y = np.array(["a", "b", "c"])[codes]
    probe = quick(foundation_encoder("simclr", in_channels=4, seed=1), x, y)
    good, ruinous = foundation_phase(4, lr=0.01), foundation_phase(9, lr=5.0)
    how = {"seed": 1, "patience": 2, "validation": np.arange(0, 48, 2)}
    fit = foundation_finetune_classifier(probe, x, y, recipe=[good, ruinous], **how)
    scores = fit.val_accuracy_history
    assert max(scores[:-2]) > max(scores[-2:])  # the second phase ends after two epochs
    first = foundation_finetune_classifier(probe, x, y, recipe=[good], **how)
    assert scores == first.val_accuracy_history + scores[-2:]
    assert np.array_equal(fit.predict_proba(x), first.predict_proba(x))


def test_patience_without_validation_rows_is_refused(encoder, x, y):
    with pytest.raises(InputError) as raised:
        quick(encoder, x, y, patience=1, val_split=0)
    assert raised.value.argument == "patience"
    groups = np.arange(len(y)) // 4  # of which none is held out
    with pytest.raises(InputError) as raised:
        quick(encoder, x, y, patience=1, val_split=0, groups=groups)
    assert raised.value.argument == "patience"
    assert quick(encoder, x, y, patience=1, val_split=0, validation=[0, 1, 2]).config["patience"]


def test_patience_waits_where_no_validation_row_can_be_scored(encoder, x):
    masks = np.zeros((len(x), 5, 5), dtype=int)
    masks[::2] = 1
    masks[:8] = -1
    with pytest.warns(EdaphosWarning, match="no cell of the validation rows is labelled"):
        fit = foundation_fit_segmenter(
            encoder, x, masks, decoder="linear", unlabelled=-1, epochs=4, patience=1,
            validation=range(8), seed=1,
        )  # fmt: skip
    assert np.isnan(fit.score_history).all()
    assert len(fit.loss_history) == 4


def test_a_frozen_encoder_that_sees_views_is_not_told_to_be_set_to_train(encoder, x, y):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick(encoder.requires_grad_(False), x, y, augment=True)


@REGIMES
def test_views_are_drawn_anew_in_every_step_and_from_the_seed(encoder, x, y, freeze_backbone):
    seen = []

    class Watching(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4 * 25, 3)

        def forward(self, x):
            if torch.is_grad_enabled():
                seen.append(x.detach().clone())
            return self.linear(x.flatten(1))

    settings = {"freeze_backbone": freeze_backbone, "augment": True, "batch_size": 64}
    one = quick(Watching(), x, y, epochs=3, **settings)
    assert not torch.equal(seen[-1], seen[-2])
    # flips and turns: each patch keeps its cells
    sorted_cells = [part.flatten(2).sort(dim=2).values for part in seen[-2:]]
    assert_close(*[cells.flatten(1).sort(dim=0).values.numpy() for cells in sorted_cells], 1e-6)
    assert same(quick(encoder, x, y, **settings), quick(encoder, x, y, **settings))
    assert one.config["augment"] == {"flip_prob": 0.5, "rot90_prob": 0.75}


def test_a_frozen_encoder_stays_as_it_is_under_views(encoder, x, y, state_of):
    before = state_of(encoder)
    fit = quick(encoder, x, y, augment={"noise_sd": 0.1})
    for name, tensor in fit.encoder.state_dict().items():
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize(
    "augment", ["flip", 1, {"flip": 0.5}, {"flip_prob": 2}, {"noise_sd": -1}, {"crop_ratio": 3}]
)
def test_views_that_cannot_be_used_are_refused(encoder, x, y, augment):
    with pytest.raises(InputError) as raised:
        quick(encoder, x, y, augment=augment)
    assert raised.value.argument.startswith("augment")


@pytest.mark.parametrize("label_smoothing", [-0.1, 1, "a", math.nan])
def test_smoothing_that_cannot_be_used_is_refused(encoder, x, y, label_smoothing):
    with pytest.raises(InputError) as raised:
        quick(encoder, x, y, label_smoothing=label_smoothing)
    assert raised.value.argument == "label_smoothing"


def test_a_fit_with_every_aid_lives_in_a_file(encoder, x, y, tmp_path):
    aids = {"class_weight": "capped", "label_smoothing": 0.1, "patience": 1, "augment": True}
    fit = quick(encoder, x, y, **aids)
    fit.save(tmp_path / "fit.safetensors")
    again = FoundationClassifier.load(tmp_path / "fit.safetensors")
    assert same(fit, again)
    assert again.config == fit.config


def test_a_user_may_write_the_weighted_probe(x, y):
    """The loop written out: a linear head on features that are the patches themselves."""
    flat = torch.from_numpy(x.astype(np.float32)).flatten(1)
    fit = quick(nn.Flatten(), x, y, class_weight="balanced", val_split=0, epochs=3, batch_size=41)
    codes = torch.tensor([fit.classes.index(label) for label in y])
    counts = torch.bincount(codes)
    weight = (41 / (3 * counts)).float()
    losses = []
    head = quick(nn.Flatten(), x, y, val_split=0, epochs=1, batch_size=41, lr=1e-12).head
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        loss = functional.cross_entropy(head(flat), codes, weight=weight)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert_close(fit.loss_history, losses, 1e-4)
