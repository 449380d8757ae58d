"""torch's ambient state: whatever the caller has set, the same bits, and set as before."""

import copy
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray
from torch import nn

import edaphos_bridge as eb
from edaphos_bridge.basics.ambient import plain_torch
from edaphos_bridge.errors import InputError
from edaphos_bridge.interop import calls

pytestmark = pytest.mark.filterwarnings("ignore:.*share cells with another")

X = np.random.default_rng(1).normal(size=(40, 4, 9, 9)).astype(np.float32)
Y = ["dry", "wet"] * 20
RASTER = np.random.default_rng(2).normal(size=(4, 30, 40))
DRY = np.linspace(0.1, 0.9, 30).reshape(5, 6)
PROB = np.stack([DRY, 1 - DRY])
LYING = xarray.DataArray(
    RASTER, dims=("band", "y", "x"), coords={"y": range(30, 0, -1), "x": range(40)},
    attrs={"crs": "EPSG:32723"},
)  # fmt: skip
POINTS = [[10.5, 20.5], [-1.0, 2.0], [30.0, 12.0]]
SMALL = {"feature_dim": 8, "proj_dim": 4, "batch_size": 8, "epochs": 2, "seed": 2}
TURNS = {"feature_dim": 8, "batch_size": 8, "epochs": 2, "steps_per_epoch": 1, "seed": 2}


@contextmanager
def setting(get, put, value):
    before = get()
    put(value)
    try:
        yield
    finally:
        put(before)


def float64():
    return setting(torch.get_default_dtype, torch.set_default_dtype, torch.float64)


def meta():
    # None: set_default_device() of the default itself would stay as a mode
    return setting(lambda: None, torch.set_default_device, "meta")


def deterministic():
    return setting(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, True
    )


AMBIENT = {
    "float64": float64,
    "float16": lambda: setting(torch.get_default_dtype, torch.set_default_dtype, torch.float16),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "default device": meta,
    "device context": lambda: torch.device("meta"),
    "deterministic": deterministic,
}


def state():
    """What a caller may have set, seen from outside."""
    return (
        torch.get_default_dtype(), torch.is_grad_enabled(), torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"), torch.empty(0).device.type,
        torch.are_deterministic_algorithms_enabled(),
    )  # fmt: skip


# --- every public call -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """What calls start from, made where nothing is set."""
    folder = tmp_path_factory.mktemp("ambient")
    encoder = eb.foundation_encoder("moco", 4, feature_dim=8, proj_dim=4, seed=1)
    simclr = eb.foundation_encoder("simclr", 4, feature_dim=8, seed=1)
    torch.manual_seed(1)
    own = nn.Sequential(
        nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.2), nn.Flatten()
    )
    fit = eb.foundation_fit_classifier(encoder, X, Y, epochs=2, seed=1)
    moco = eb.foundation_moco_pretrain(X, **SMALL)
    swav = eb.foundation_swav_pretrain(X, X[:, :2], **SMALL)
    tiles = eb.foundation_tile_dataset(RASTER, patch_size=8, n_patches=40, seed=1)
    on_tiles = eb.foundation_moco_pretrain_tiles(tiles, **SMALL)
    at_points = eb.foundation_fit_classifier(on_tiles, tiles, Y, epochs=2, seed=1)
    fit.save(folder / "fit")
    moco.save(folder / "moco")
    eb.foundation_weights_save(encoder, folder / "encoder")
    return {
        "folder": folder, "encoder": encoder, "simclr": simclr, "own": own, "fit": fit,
        "moco": moco, "swav": swav, "tiles": tiles, "on_tiles": on_tiles, "at_points": at_points,
    }  # fmt: skip


def fitted(encoder, **changes):
    settings = {"epochs": 2, "batch_size": 16, "seed": 3, **changes}
    return eb.foundation_fit_classifier(encoder, X, Y, **settings).to_bytes()


def swept(given):
    sweep = eb.foundation_probe_sweep(given["encoder"], X, Y, epochs=2, seeds=(1, 2), C=(1.0,))
    return sweep.results.to_csv().encode() + sweep.predict_proba(X).tobytes()


def saved(given, what, name):
    path = given["folder"] / f"again-{name}"
    what(path)
    return path.read_bytes()


def from_r(name, *args):
    answer = calls.call(name, *args)
    assert answer["error"] is None, answer["error"]
    return answer["value"]


def r_fit(given):
    settings = {
        "freeze_backbone": False, "head": "mlp", "hidden": 4, "dropout": 0.1, "epochs": 2,
        "batch_size": 16, "lr": 0.01, "weight_decay": 0.0, "backbone_lr_mult": 0.1,
        "val_split": 0.2, "seed": 3,
    }  # fmt: skip
    codes = np.array([0, 1] * 20, dtype=np.int32)
    labels = {"codes": codes, "levels": ["dry", "wet"], "ordered": False}
    encoder = eb.foundation_weights_load(given["folder"] / "encoder")
    fields = from_r(
        "fit", encoder, X.astype(float), labels, settings, {"device": "cpu"}, False,
        lambda: 1, lambda *news: True,
    )  # fmt: skip
    proba = from_r("predict", fields["state"], None, X.astype(float), "prob", None)["values"]
    return bytes(fields["state"]) + proba.tobytes()


HEIGHTS = X.mean(axis=(1, 2, 3))
TAGS = X[:, :2].mean(axis=(2, 3)) > 0
QUICK = {"epochs": 2, "batch_size": 16, "head": "mlp", "dropout": 0.2}

CALLS = {
    "probe": lambda g: fitted(g["encoder"]),
    "mlp": lambda g: fitted(g["encoder"], head="mlp", dropout=0.2),
    "fine-tuning": lambda g: fitted(g["encoder"], freeze_backbone=False),
    "fine-tuning simclr": lambda g: fitted(g["simclr"], freeze_backbone=False),
    "own encoder": lambda g: fitted(g["own"], freeze_backbone=False),
    "own encoder, frozen": lambda g: fitted(g["own"]),
    "regressor": lambda g: eb.foundation_fit_regressor(
        g["encoder"], X, HEIGHTS, seed=3, **QUICK
    ).to_bytes(),
    "labels": lambda g: eb.foundation_fit_multilabel(
        g["encoder"], X, TAGS, seed=3, freeze_backbone=False, **QUICK
    ).to_bytes(),
    "segmenter": lambda g: eb.foundation_fit_segmenter(
        g["encoder"], X, X[:, 0] > 0, seed=3, epochs=2, decoder="unet", regime="finetune"
    ).to_bytes(),
    "segmenters": lambda g: eb.foundation_compare_segmenters(
        g["encoder"], X, X[:, 0] > 0, models=["frozen", "finetune"], seed=3, epochs=1, n_boot=9,
        decoder="linear",
    ).as_table().to_csv().encode(),
    "ensemble": lambda g: eb.foundation_finetune_ensemble(
        g["encoder"], X, HEIGHTS, task="regression", K_ens=2, **QUICK
    ).predict(X).tobytes(),
    "dropout draws": lambda g: eb.foundation_mcdropout_predict(
        eb.foundation_fit_classifier(g["encoder"], X, Y, seed=3, **QUICK), X, 3, seed=1
    ).tobytes(),
    "fastai's recipe": lambda g: eb.foundation_fine_tune(
        g["encoder"], X, Y, epochs=1, head="concat_pool", hidden=4, augment=True, seed=3
    ).to_bytes(),
    "phases": lambda g: eb.foundation_finetune_classifier(
        g["fit"], X, Y, recipe=[eb.foundation_phase(1, 1e-3, freeze_to=-2)], seed=3
    ).to_bytes(),
    "rates": lambda g: eb.foundation_lr_find(
        g["encoder"], X, Y, num_it=4, seed=3
    ).table.to_csv().encode(),
    "cross-validation": lambda g: eb.foundation_cross_validate(
        "foundation_fit_classifier", g["encoder"], X, Y, k=2, epochs=1, seed=3
    ).predictions.to_csv().encode(),
    "few labels": lambda g: eb.foundation_few_label_experiment(
        {"own": g["own"]}, X, Y, 8, repeats=2, k=2, epochs=1, batch_size=4, seed=3
    ).table.drop(columns="seconds").to_csv().encode(),
    "interpret": lambda g: eb.foundation_interpret(
        g["fit"], X, Y, n_boot=9, seed=3
    ).as_table().to_csv().encode(),
    "calibrate": lambda g: eb.foundation_calibrate(
        eb.foundation_fit_classifier(g["own"], X, Y, epochs=30, lr=0.02, seed=3), X, Y
    ).to_bytes(),
    "attribute": lambda g: eb.foundation_attribute(g["fit"], X[:3], n_steps=4).values.tobytes(),
    "importance of bands": lambda g: eb.foundation_band_importance(
        g["fit"], X, Y, n_repeats=2, seed=3
    ).as_table().to_csv().encode(),
    "neighbours": lambda g: repr(
        eb.foundation_knn(g["encoder"], X, Y, k=3, n_boot=9, seed=3)
    ).encode(),
    "map of embeddings": lambda g: eb.foundation_embedding_map(
        g["encoder"], X, Y
    ).as_table().to_csv().encode(),
    "embed anything": lambda g: eb.foundation_embed(g["own"], X).tobytes(),
    "sweep": swept,
    "predict": lambda g: g["fit"].predict_proba(X).tobytes(),
    "predict classes": lambda g: g["fit"].predict(X).codes.tobytes(),
    "predict a tensor": lambda g: g["fit"].predict_proba(torch.from_numpy(X)).tobytes(),
    "predict at points": lambda g: g["at_points"].predict_proba(RASTER, coords=POINTS).tobytes(),
    "encoder": lambda g: encoder_bytes(eb.foundation_encoder("moco", 3, seed=4)),
    "moco": lambda g: eb.foundation_moco_pretrain(X, **SMALL).to_bytes(),
    "simclr": lambda g: eb.foundation_simclr_pretrain(X, **SMALL).to_bytes(),
    "rotation": lambda g: eb.foundation_rotation_pretrain(X, **TURNS).to_bytes(),
    "rotation on tiles": lambda g: eb.foundation_rotation_pretrain_tiles(
        g["tiles"], **TURNS
    ).to_bytes(),
    "moco on tiles": lambda g: eb.foundation_moco_pretrain_tiles(g["tiles"], **SMALL).to_bytes(),
    "swav of two sensors": lambda g: eb.foundation_swav_pretrain(X, X[:, :2], **SMALL).to_bytes(),
    "swav on tiles": lambda g: eb.foundation_swav_pretrain_tiles(g["tiles"], **SMALL).to_bytes(),
    "encoder for a sensor": lambda g: encoder_bytes(eb.foundation_encoder_for(g["swav"], "b")),
    "tiles": lambda g: eb.foundation_tile_dataset(RASTER, 8, 9, seed=1).sample(4, 1).tobytes(),
    "embed": lambda g: eb.foundation_moco_embed(g["encoder"], X, projection=True).tobytes(),
    "embed simclr": lambda g: eb.foundation_simclr_embed(g["simclr"], X).tobytes(),
    "embed at coords": lambda g: eb.foundation_embed_at_coords(
        g["on_tiles"], POINTS, RASTER
    ).tobytes(),
    "patches at coords": lambda g: eb.foundation_patches_at_coords(
        g["tiles"], POINTS, RASTER
    ).tobytes(),
    "map": lambda g: eb.foundation_predict_raster(
        g["at_points"], RASTER, type="prob", stride=3
    ).values.tobytes(),
    "map by the dense way": lambda g: eb.foundation_predict_raster(
        g["at_points"], RASTER, type="prob", stride=3, method="dense"
    ).values.tobytes(),
    "map of embeddings of a raster": lambda g: eb.foundation_embed_raster(
        g["on_tiles"], RASTER, stride=3
    ).values.tobytes(),
    "smooth": lambda g: eb.foundation_smooth(PROB, window=3).tobytes(),
    "smooth a map": lambda g: eb.foundation_smooth_raster(PROB, window=3).values.tobytes(),
    "doubt": lambda g: eb.foundation_uncertainty(PROB).tobytes(),
    "map of doubt": lambda g: eb.foundation_uncertainty_raster(PROB).values.tobytes(),
    "applicability": lambda g: eb.foundation_applicability(X, g["encoder"]).train_di.tobytes(),
    "map of applicability": lambda g: eb.foundation_applicability_raster(
        eb.foundation_applicability(RASTER.reshape(len(RASTER), -1).T[:50]), RASTER
    ).values.tobytes(),
    "align": lambda g: eb.foundation_tile_align([LYING]).read_bytes(),
    "save": lambda g: saved(g, g["fit"].save, "fit"),
    "load": lambda g: eb.FoundationClassifier.load(g["folder"] / "fit").to_bytes(),
    "load a pretraining": lambda g: eb.FoundationPretrain.load(g["folder"] / "moco").to_bytes(),
    "save a pretraining": lambda g: saved(g, g["moco"].save, "moco"),
    "save weights": lambda g: saved(
        g, lambda path: eb.foundation_weights_save(g["encoder"], path), "encoder"
    ),
    "load weights": lambda g: encoder_bytes(eb.foundation_weights_load(g["folder"] / "encoder")),
    "from R": r_fit,
}  # fmt: skip


def encoder_bytes(encoder):
    return b"".join(tensor.numpy().tobytes() for tensor in encoder.state_dict().values())


@pytest.fixture(scope="module")
def expected(given):
    """The result of each call where nothing is set."""
    return {name: call(given) for name, call in CALLS.items()}


@pytest.mark.parametrize("ambient", AMBIENT)
def test_every_call_gives_the_same_bits_and_leaves_what_was_set(given, expected, ambient):
    outside = state()
    with AMBIENT[ambient]():
        before = state()
        found = {name: call(given) for name, call in CALLS.items()}
        assert state() == before
    assert state() == outside
    assert [name for name in CALLS if found[name] != expected[name]] == []


def test_every_public_function_is_among_the_calls():
    source = Path(__file__).read_text(encoding="utf-8")
    names = {name for name in eb.__all__ if name.startswith("foundation_")}
    without_torch = {"foundation_weights_list", "foundation_weights_download"}
    assert [name for name in names - without_torch if f"eb.{name}(" not in source] == []


def test_a_fit_made_in_inference_mode_can_be_trained_on(given):
    with torch.inference_mode():
        fit = eb.foundation_fit_classifier(given["encoder"], X, Y, epochs=1, seed=1)
    assert fitted(fit, freeze_backbone=False) == fitted(given["encoder"], freeze_backbone=False)


def test_what_was_set_is_back_after_an_error(given):
    with float64(), torch.no_grad():
        before = state()
        with pytest.raises(InputError):
            eb.foundation_fit_classifier(given["encoder"], X, Y[:-1])
        assert state() == before


def test_the_default_type_is_back_when_the_last_of_two_threads_has_left():
    entered, leave = threading.Event(), threading.Event()

    def stay():
        with plain_torch():
            entered.set()
            leave.wait()
            inside.append(torch.get_default_dtype())

    inside = []
    thread = threading.Thread(target=stay)
    with float64():
        thread.start()
        entered.wait()
        with plain_torch():
            inside.append(torch.get_default_dtype())
        inside.append(torch.get_default_dtype())  # the other is still at work
        leave.set()
        thread.join()
        assert inside == [torch.float32] * 3
        assert torch.get_default_dtype() == torch.float64


def test_importing_under_another_default_changes_nothing(given):
    """Modules that are first imported there compute as ever, too."""
    code = (
        "import sys, numpy as np, torch, hashlib, edaphos_bridge as eb\n"
        "torch.set_default_dtype(torch.float64); torch.set_default_device('meta')\n"
        "with torch.inference_mode(), torch.autocast('cpu'):\n"
        "    encoder = eb.foundation_encoder('moco', 4, feature_dim=8, proj_dim=4, seed=1)\n"
        "    x = np.random.default_rng(1).normal(size=(40, 4, 9, 9)).astype(np.float32)\n"
        "    y = ['dry', 'wet'] * 20\n"
        "    fit = eb.foundation_fit_classifier(encoder, x, y, epochs=2, batch_size=16, seed=3)\n"
        "sys.stdout.buffer.write(fit.to_bytes())\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert found == fitted(given["encoder"])


# --- files that others can open --------------------------------------------------------------


@pytest.mark.parametrize("kind", ["double", "half", "bfloat16"])
def test_weights_of_another_type_are_stored_as_float32(given, tmp_path, kind):
    changed = getattr(copy.deepcopy(given["encoder"]), kind)()
    eb.foundation_weights_save(changed, tmp_path / "encoder")
    found = eb.foundation_weights_load(tmp_path / "encoder")
    assert encoder_bytes(found) == encoder_bytes(changed.float())
    for fit in (given["fit"], given["moco"]):
        twin = copy.deepcopy(fit)
        getattr(twin.encoder, kind)()
        if hasattr(twin, "head"):
            getattr(twin.head, kind)()
        again = type(fit).from_bytes(twin.to_bytes())
        assert encoder_bytes(again.encoder) == encoder_bytes(twin.encoder.float())


def test_weights_that_float32_cannot_hold_are_refused(given, tmp_path):
    changed = copy.deepcopy(given["encoder"]).double()
    with torch.no_grad():
        changed.backbone.conv1.bias[0] = 1 + 2**-40
    with pytest.raises(InputError, match=r"`encoder` .*float32.*backbone\.conv1\.bias"):
        eb.foundation_weights_save(changed, tmp_path / "encoder")
    assert list(tmp_path.iterdir()) == []
