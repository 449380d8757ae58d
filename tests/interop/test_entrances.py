"""The same call from Python, from R through reticulate and from R inside Python: equal bits."""

import hashlib
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edaphos_bridge import (
    foundation_embed,
    foundation_encoder,
    foundation_few_label_experiment,
    foundation_fit_classifier,
    foundation_fit_segmenter,
    foundation_moco_pretrain,
    foundation_rotation_pretrain,
    foundation_simclr_pretrain,
    foundation_swav_pretrain,
)
from edaphos_bridge.interop.rpy2 import _r_sources

ROOT = Path(__file__).parents[2]

# One R program for both entrances from R; `out` is set before it.
R_CODE = """
x <- array(readBin(file.path(out, "x.f64"), "double", 36 * 4 * 9 * 9), c(36, 4, 9, 9))
levels <- c("Ultisol", "Oxisol", "Inceptisol")
y <- factor(rep(levels, 12), levels = levels)
encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
keep <- function(fit, what, scores, values = predict(fit, x, type = "prob")) {
  name <- file.path(out, paste0(entrance, what))
  writeBin(as.vector(values), paste0(name, ".values"))
  writeBin(c(fit$loss_history, scores), paste0(name, ".history"))
  writeBin(fit$state, paste0(name, ".state"))
}
for (freeze in c(TRUE, FALSE)) {
  fit <- foundation_fit_classifier(encoder, x, y, freeze_backbone = freeze, head = "mlp",
                                   dropout = 0.2, epochs = 2, seed = 11)
  keep(fit, if (freeze) "frozen" else "finetune", fit$val_accuracy_history)
}
masks <- array(ifelse(x[, 1, , ] > 0, "wet", "dry"), c(36, 9, 9))
masks[x[, 2, , ] > 0.5] <- NA
for (regime in c("frozen", "finetune")) {
  fit <- foundation_fit_segmenter(encoder, x, masks, regime, "unet", epochs = 2, seed = 11)
  keep(fit, paste0("masks_", regime), fit$val_iou_history)
}
for (mode in c("all", "fixed")) {
  fit <- foundation_rotation_pretrain(x, mode = mode, feature_dim = 8, batch_size = 8, epochs = 2,
                                      seed = 11)
  keep(fit, paste0("turns_", mode), fit$val_accuracy_history, foundation_embed(fit, x))
}
contrasted <- function(what, pretrain, ...) {
  fit <- pretrain(..., feature_dim = 8, proj_dim = 4, batch_size = 8, epochs = 2, seed = 11)
  keep(fit, what, fit$entropy_history, foundation_embed(fit, x))
}
contrasted("moco", foundation_moco_pretrain, x)
contrasted("simclr", foundation_simclr_pretrain, x)
contrasted("swav", foundation_swav_pretrain, x)
contrasted("swav_two", foundation_swav_pretrain, x[, 1:3, , ], x[, 4, , , drop = FALSE])
found <- foundation_few_label_experiment(
  list(SwAV = list(foundation_swav_pretrain, feature_dim = 8, epochs = 2), ours = encoder), x, y,
  labels = c(6, Inf), repeats = 2, k = 2, epochs = 1, batch_size = 4, seed = 11
)
numbers <- unlist(found$table[c("accuracy", "log_loss")], use.names = FALSE)
writeBin(numbers, file.path(out, paste0(entrance, "few_labels.values")))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What each entrance wrote, each in a process of its own with two threads."""
    out = tmp_path_factory.mktemp("entrances")
    x = np.random.default_rng(2).normal(size=(36, 4, 9, 9))
    (out / "x.f64").write_bytes(x.tobytes(order="F"))
    (out / "fit.R").write_text(R_CODE)
    python = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_entrances"
    )
    env = {**os.environ, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}

    def run(*command):
        subprocess.run(command, check=True, env=env, cwd=ROOT)

    run(sys.executable, "-c", f"{python} as t; t.fit_in_python({str(out)!r})")
    run(sys.executable, "-c", f"{python} as t; t.fit_in_embedded_r({str(out)!r})")
    setup = f'out <- "{out}"; entrance <- "reticulate"; library(edaphosbridge)'
    run("Rscript", "-e", f'{setup}; source(file.path(out, "fit.R"))')
    return out


def fit_in_python(out):
    folder = Path(out)
    x = np.fromfile(folder / "x.f64").reshape((36, 4, 9, 9), order="F")
    y = pd_factor()
    encoder = foundation_encoder("moco", in_channels=4, seed=1)
    masks = np.where(x[:, 0] > 0, "wet", "dry").astype(object)
    masks[x[:, 1] > 0.5] = None

    def keep(fit, what, scores, values):
        name = f"python{what}"
        (folder / f"{name}.values").write_bytes(values.astype(np.float64).tobytes(order="F"))
        (folder / f"{name}.history").write_bytes(np.array(fit.loss_history + scores).tobytes())
        fit.save(folder / f"{name}.state")

    fits = {}
    for regime in ("frozen", "finetune"):
        frozen = regime == "frozen"
        fits[regime] = foundation_fit_classifier(
            encoder, x, y, freeze_backbone=frozen, head="mlp", dropout=0.2, epochs=2, seed=11
        )
        fits[f"masks_{regime}"] = foundation_fit_segmenter(
            encoder, x, masks, regime=regime, decoder="unet", epochs=2, seed=11
        )
    for what, fit in fits.items():
        keep(fit, what, fit.score_history, fit.predict_proba(x))
    for mode in ("all", "fixed"):
        fit = foundation_rotation_pretrain(
            x, mode=mode, feature_dim=8, batch_size=8, epochs=2, seed=11
        )
        keep(fit, f"turns_{mode}", fit.val_accuracy_history, foundation_embed(fit, x))
    small = {"feature_dim": 8, "proj_dim": 4, "batch_size": 8, "epochs": 2, "seed": 11}
    fits = {
        "moco": foundation_moco_pretrain(x, **small),
        "simclr": foundation_simclr_pretrain(x, **small),
        "swav": foundation_swav_pretrain(x, **small),
        "swav_two": foundation_swav_pretrain(x[:, :3], x[:, 3:], **small),
    }
    for what, fit in fits.items():
        keep(fit, what, fit.entropy_history or [], foundation_embed(fit, x))
    swav = partial(foundation_swav_pretrain, feature_dim=8, epochs=2)
    found = foundation_few_label_experiment(
        {"SwAV": swav, "ours": encoder}, x, y, [6, np.inf],
        repeats=2, k=2, epochs=1, batch_size=4, seed=11,
    )  # fmt: skip
    numbers = found.table[["accuracy", "log_loss"]].to_numpy()
    (folder / "pythonfew_labels.values").write_bytes(numbers.tobytes(order="F"))


def pd_factor():
    import pandas as pd

    levels = ["Ultisol", "Oxisol", "Inceptisol"]
    return pd.Categorical(levels * 12, categories=levels)


def fit_in_embedded_r(out):
    import rpy2.robjects as ro

    from edaphos_bridge.interop.rpy2 import install

    install()
    ro.r(f'out <- "{out}"; entrance <- "rpy2"')
    ro.r(R_CODE)


@pytest.mark.parametrize("entrance", ["reticulate", "rpy2"])
@pytest.mark.parametrize(
    "fit",
    [
        "frozen", "finetune", "masks_frozen", "masks_finetune", "turns_all", "turns_fixed",
        "moco", "simclr", "swav", "swav_two",
    ],
)  # fmt: skip
@pytest.mark.parametrize("what", ["values", "history", "state"])
def test_r_gives_pythons_bits(folder, entrance, fit, what):
    _same_bytes(folder, entrance, f"{fit}.{what}")


@pytest.mark.parametrize("entrance", ["reticulate", "rpy2"])
def test_r_gives_pythons_bits_of_an_experiment(folder, entrance):
    _same_bytes(folder, entrance, "few_labels.values")


def _same_bytes(folder, entrance, name):
    python = (folder / f"python{name}").read_bytes()
    there = (folder / f"{entrance}{name}").read_bytes()
    assert len(python) > 0
    assert hashlib.sha256(there).hexdigest() == hashlib.sha256(python).hexdigest()


def test_the_embedded_r_runs_the_r_packages_own_code():
    sources = "\n".join(_r_sources())
    for name in ("foundation_fit_classifier", "predict.edaphosbridge_classifier", "to_labels"):
        assert f"{name} <- function(" in sources
    code = [line for line in sources.splitlines() if not line.startswith("#")]
    assert not [line for line in code if "reticulate::" in line]
