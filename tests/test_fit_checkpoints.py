"""A fit that was killed goes on from its folder, with the bits of one that was not."""

import copy
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from edaphos_bridge import (
    foundation_fine_tune,
    foundation_finetune_classifier,
    foundation_fit_classifier,
    foundation_fit_multilabel,
    foundation_fit_regressor,
    foundation_phase,
)
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.training.checkpoint import FILE, Checkpoints
from small_fits import quick, same


class Killed(Exception):  # noqa: N818
    pass


@pytest.fixture
def killed_after(monkeypatch):
    """Run a call whose process ends when it has written so many checkpoints."""

    def run(call, number):
        written = []
        save = Checkpoints.save

        def saved(self, progress):
            save(self, progress)
            written.append(progress.step)
            if len(written) == number:
                raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(Checkpoints, "save", saved)
            with pytest.raises(Killed):
                call()
        return written

    return run


def probe(encoder, x, y, **more):
    return foundation_fit_classifier(encoder, x, y, epochs=4, seed=1, **more)


def mlp(encoder, x, y, **more):
    return probe(encoder, x, y, head="mlp", hidden=6, dropout=0.5, **more)


def full(encoder, x, y, **more):
    return probe(encoder, x, y, freeze_backbone=False, augment=True, **more)


def with_patience(encoder, x, y, **more):
    return probe(encoder, x, y, patience=2, class_weight="balanced", lr=0.1, **more)


def fastai(encoder, x, y, **more):
    settings = {"epochs": 2, "freeze_epochs": 2, "head": "concat_pool", "hidden": 6}
    return foundation_fine_tune(encoder, x, y, seed=1, **settings, **more)


def there_and_back(encoder, x, y, **more):
    """Full, then the head alone on features that the first phase made, then a cosine."""
    start = quick(encoder, x, y)
    phases = [
        foundation_phase(1, 1e-2),
        foundation_phase(2, 1e-2, freeze_to=-1),
        foundation_phase(1, 1e-3, schedule="cosine", freeze_to=-2),
    ]
    return foundation_finetune_classifier(start, x, y, recipe=phases, seed=1, **more)


def regressor(encoder, x, y, **more):
    return foundation_fit_regressor(encoder, x, x[:, 0].mean((1, 2)), epochs=4, seed=1, **more)


def labels(encoder, x, y, **more):
    sets = [[label] for label in y]
    return foundation_fit_multilabel(encoder, x, sets, epochs=4, seed=1, **more)


RUNS = [probe, mlp, full, with_patience, fastai, there_and_back, regressor, labels]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.__name__)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_it_goes_on_in_the_middle_bit_equal(encoder, x, y, tmp_path, killed_after, run, number):
    killed_after(lambda: run(encoder, x, y, checkpoint_dir=tmp_path), number)
    gone_on = run(encoder, x, y, checkpoint_dir=tmp_path)
    assert same_fit(gone_on, run(encoder, x, y))


def same_fit(one, other):
    return one.to_bytes() == other.to_bytes()


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.__name__)
def test_a_run_that_is_over_gives_its_fit_again(encoder, x, y, tmp_path, run):
    first = run(encoder, x, y, checkpoint_dir=tmp_path)
    again = run(encoder, x, y, checkpoint_dir=tmp_path)
    assert same_fit(first, again)
    assert same_fit(first, run(encoder, x, y))


def test_a_seed_that_was_drawn_is_kept(encoder, x, y, tmp_path, killed_after):
    settings = {"epochs": 3, "checkpoint_dir": tmp_path}
    killed_after(lambda: foundation_fit_classifier(encoder, x, y, **settings), 1)
    fit = foundation_fit_classifier(encoder, x, y, **settings)
    drawn = fit.config["seed"]
    assert same(fit, foundation_fit_classifier(encoder, x, y, epochs=3, seed=drawn))


@pytest.mark.parametrize(
    "changes",
    [
        {"lr": 0.5}, {"epochs": 3}, {"seed": 2}, {"head": "mlp"}, {"freeze_backbone": False},
        {"class_weight": "balanced"}, {"validation": [1, 2, 3]}, {"val_split": 0},
    ],
)  # fmt: skip
def test_another_runs_folder_is_refused_and_left_alone(encoder, x, y, tmp_path, changes):
    probe(encoder, x, y, checkpoint_dir=tmp_path)
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(InputError) as raised:
        foundation_fit_classifier(
            encoder, x, y, **{"epochs": 4, "seed": 1, **changes}, checkpoint_dir=tmp_path
        )
    assert raised.value.argument == "checkpoint_dir"
    assert (tmp_path / FILE).read_bytes() == before


def test_a_run_of_constant_rates_may_be_made_longer(encoder, x, y, tmp_path):
    full(encoder, x, y, checkpoint_dir=tmp_path)
    settings = {"epochs": 6, "seed": 1, "freeze_backbone": False, "augment": True}
    longer = foundation_fit_classifier(encoder, x, y, checkpoint_dir=tmp_path, **settings)
    assert same(longer, foundation_fit_classifier(encoder, x, y, **settings))


def test_other_patches_labels_or_encoders_are_refused(encoder, x, y, tmp_path, dropout_encoder):
    probe(encoder, x, y, checkpoint_dir=tmp_path)
    swapped = [y[1], y[0], *y[2:]]
    for call in ((encoder, x + 1, y), (encoder, x, swapped), (dropout_encoder, x, y)):
        with pytest.raises(InputError) as raised:
            probe(*call, checkpoint_dir=tmp_path)
        assert raised.value.argument == "checkpoint_dir"


def test_an_encoder_of_transposed_patches_is_another_one(encoder, x, y, tmp_path):
    folders = {None: tmp_path / "a", "transposed": tmp_path / "b"}
    turned = copy.deepcopy(encoder)
    turned.patch_orientation = "transposed"
    probe(encoder, x, y, checkpoint_dir=folders[None])
    probe(turned, x, y, checkpoint_dir=folders["transposed"])
    for other, folder in ((turned, folders[None]), (encoder, folders["transposed"])):
        with pytest.raises(InputError, match=r"another run .*encoder = "):
            probe(other, x, y, checkpoint_dir=folder)


def test_other_groups_are_refused(encoder, x, y, tmp_path):
    groups = [row % 5 for row in range(41)]
    probe(encoder, x, y, groups=groups, checkpoint_dir=tmp_path)
    with pytest.raises(InputError, match="other rows"):
        probe(encoder, x, y, groups=[row // 9 for row in range(41)], checkpoint_dir=tmp_path)


@pytest.mark.parametrize(
    "aid",
    [{"augment": True}, {"class_weight": "balanced"}, {"label_smoothing": 0.1}, {"patience": 1}],
)
def test_a_run_with_an_aid_is_not_gone_on_from_without_it(encoder, x, y, tmp_path, aid):
    probe(encoder, x, y, **aid, checkpoint_dir=tmp_path)
    with pytest.raises(InputError, match=next(iter(aid))):
        probe(encoder, x, y, checkpoint_dir=tmp_path)


def with_activation(kind):
    return lambda n_in, n_out: nn.Sequential(nn.Linear(n_in, n_out), kind())


@pytest.mark.parametrize("other", [nn.ReLU(), nn.Dropout(0.2)], ids=repr)
def test_heads_of_equal_weights_are_told_apart_by_their_layers(encoder, x, y, tmp_path, other):
    layer = nn.Linear(8, 3)
    probe(encoder, x, y, head=nn.Sequential(nn.Dropout(0.1), layer), checkpoint_dir=tmp_path)
    with pytest.raises(InputError, match="other layers"):
        probe(encoder, x, y, head=nn.Sequential(other, layer), checkpoint_dir=tmp_path)


def test_heads_of_users_are_told_apart_by_their_layers_and_weights(encoder, x, y, tmp_path):
    probe(encoder, x, y, head=with_activation(nn.Tanh), checkpoint_dir=tmp_path / "made")
    with pytest.raises(InputError, match="other layers"):
        probe(encoder, x, y, head=with_activation(nn.ReLU), checkpoint_dir=tmp_path / "made")
    probe(encoder, x, y, head=nn.Linear(8, 3), checkpoint_dir=tmp_path / "given")
    with pytest.raises(InputError, match="another run"):
        probe(encoder, x, y, head=nn.Linear(8, 3), checkpoint_dir=tmp_path / "given")


def test_blocks_in_other_groups_are_refused(encoder, x, y, tmp_path, killed_after):
    """Both have the parameters of the optimiser in one order, at other rates."""
    blocks = [f"backbone.conv{k}" for k in (1, 2, 3, 4, 5)]

    def run(cut):
        return foundation_finetune_classifier(
            start, x, y, recipe="layerwise", split=[blocks[:cut], blocks[cut:]], epochs=2, seed=1,
            checkpoint_dir=tmp_path,
        )  # fmt: skip

    start = quick(encoder, x, y)
    killed_after(lambda: run(2), 1)
    with pytest.raises(InputError, match="groups"):
        run(3)


@pytest.mark.parametrize("patience", [None, 2])
def test_a_score_that_is_not_defined_is_kept(encoder, x, tmp_path, killed_after, patience):
    """No label occurs or is predicted in the validation rows: the macro F1 is NaN."""
    sets = [["a"], ["b"]] + [[]] * 39

    def run(**more):
        return foundation_fit_multilabel(
            encoder, x, sets, threshold=0.99, validation=[5, 6], epochs=4, patience=patience,
            seed=1, **more,
        )  # fmt: skip

    killed_after(lambda: run(checkpoint_dir=tmp_path), 1)
    fit = run(checkpoint_dir=tmp_path)
    assert np.isnan(fit.score_history).all()
    assert same_fit(fit, run())
    assert fit.loss_history == run().loss_history


def test_an_encoder_with_a_mask_of_infinities_is_gone_on_from(x, y, tmp_path, killed_after):
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3)
            self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))

        def forward(self, x):
            return self.layer(x.mean((2, 3)))

    encoder = Masked()
    killed_after(lambda: full(encoder, x, y, checkpoint_dir=tmp_path), 1)
    gone_on = full(encoder, x, y, checkpoint_dir=tmp_path)
    assert gone_on.loss_history == full(encoder, x, y).loss_history


def test_a_damaged_checkpoint_is_named(encoder, x, y, tmp_path):
    probe(encoder, x, y, checkpoint_dir=tmp_path)
    data = bytearray((tmp_path / FILE).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(WeightsError, match=FILE):
        probe(encoder, x, y, checkpoint_dir=tmp_path)


@pytest.mark.parametrize("folder", [3, b"", ""])
def test_what_is_no_folder_is_refused(encoder, x, y, folder):
    with pytest.raises(InputError) as raised:
        probe(encoder, x, y, checkpoint_dir=folder)
    assert raised.value.argument == "checkpoint_dir"


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_process_that_is_killed_leaves_what_the_next_goes_on_from(tmp_path):
    code = """
import os, signal, sys
import numpy as np
import edaphos_bridge as eb
from edaphos_bridge.training.checkpoint import Checkpoints

def run(**more):
    x = np.random.default_rng(1).normal(size=(41, 4, 5, 5))
    encoder = eb.foundation_encoder("moco", 4, feature_dim=8, proj_dim=4, seed=1)
    y = ["a", "b", "c"] * 13 + ["a", "b"]
    return eb.foundation_fine_tune(encoder, x, y, epochs=3, freeze_epochs=1, seed=1, **more)

if sys.argv[2] == "die":
    save = Checkpoints.save
    def saved(self, progress):
        save(self, progress)
        if progress.step == 2:
            os.kill(os.getpid(), signal.SIGKILL)
    Checkpoints.save = saved
fit = run(checkpoint_dir=sys.argv[1])
assert fit.to_bytes() == run().to_bytes()
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    died = subprocess.run([*command, "die"], check=False)
    assert died.returncode == -signal.SIGKILL
    assert (tmp_path / FILE).exists()
    subprocess.run([*command, "live"], check=True)


def test_it_costs_no_bit(encoder, x, y, tmp_path):
    assert np.array_equal(
        probe(encoder, x, y, checkpoint_dir=tmp_path).predict_proba(x),
        probe(encoder, x, y).predict_proba(x),
    )
