"""`encoder=` in pretraining: a name, an encoder of ours, or any module."""

import copy
import inspect
import re
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import edaphos_bridge as eb
from closeness import assert_close
from edaphos_bridge import FoundationPretrain, foundation_moco_pretrain_tiles
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.data.normalisation import Normalisation
from edaphos_bridge.encoders import MoCoEncoder, RotationEncoder, XResNet
from edaphos_bridge.encoders.foundation import ARCHITECTURES
from edaphos_bridge.encoders.moco import MoCoProjection
from edaphos_bridge.errors import EdaphosWarning, InputError, WeightsError
from edaphos_bridge.files.container import pack, unpack
from edaphos_bridge.optim.adam import adam
from edaphos_bridge.pretrain.encoder import Projected
from edaphos_bridge.pretrain.loop import take_step
from edaphos_bridge.pretrain.settings import SETTINGS, SimCLRSettings
from edaphos_bridge.pretrain.simclr import SimCLR, nt_xent
from small_encoders import XRESNETS, small_encoder

LEFT_OUT = {"feature_dim": 64, "proj_dim": 32}  # the defaults of MoCo
USUAL = {
    "moco": LEFT_OUT,
    "simclr": {"feature_dim": 32, "proj_dim": 16},
    "rotation": {"feature_dim": 256},
    "swav": {"feature_dim": 64, "proj_dim": 32},
}
# Runs of a moment are over before the embeddings of some encoders come apart.
pytestmark = pytest.mark.filterwarnings("ignore:SwAV uses")


class Mine(nn.Module):
    """A module of a user's, with every layer that behaves differently in training."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.conv = nn.Conv2d(3, 5, 3)
        self.norm = nn.BatchNorm2d(5)
        self.drop = nn.Dropout(0.3)
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        return {"feature": self.drop(functional.relu(self.norm(self.conv(x)))).mean(dim=(2, 3))}


@pytest.fixture
def run(pretrain):
    """Each function, with its own widths where none are given."""
    return lambda *x, **changes: pretrain(*x, **{**USUAL[pretrain.method], **changes})


@pytest.fixture
def dataset():
    stack = np.random.default_rng(3).normal(size=(3, 30, 40)) * 7 + 2
    return eb.foundation_tile_dataset(stack, patch_size=5, n_patches=40, seed=2)


def differs(one, other):
    before, after = dict(one.named_parameters()), dict(other.named_parameters())
    return [name for name in before if not torch.equal(before[name], after[name])]


# --- what is trained -----------------------------------------------------------------------


def test_without_one_the_methods_own_encoder_is_trained_and_nothing_says_so(pretrain):
    assert pretrain(encoder=None).to_bytes() == pretrain().to_bytes()
    assert "encoder" not in pretrain().config


def test_the_usual_widths_are_the_defaults_of_the_verbs():
    for method, settings in SETTINGS.items():
        defaults = inspect.signature(getattr(eb, f"foundation_{method}_pretrain")).parameters
        assert settings.usual_widths == {
            name: defaults[name].default for name in ("feature_dim", "proj_dim") if name in defaults
        }
        assert settings.architecture == ("moco" if method == "swav" else method)


def test_a_name_makes_an_encoder_of_the_widths_asked_for(pretrain):
    projection = {"proj_dim": 3} if "proj_dim" in USUAL[pretrain.method] else {}
    for name in ("moco", "simclr", "rotation"):
        fit = pretrain(encoder=name, feature_dim=7, **projection)
        assert type(fit.encoder) is ARCHITECTURES[name]
        assert (fit.encoder.in_channels, fit.encoder.feature_dim) == (3, 7)
        if name == "rotation":
            assert fit.encoder.patch_size == 5
        elif projection:
            assert fit.encoder.proj_dim == 3
        assert (fit.feature_dim, fit.proj_dim) == (7, projection.get("proj_dim"))
        assert fit.config["encoder"] == name
        assert FoundationPretrain.from_bytes(fit.to_bytes()).to_bytes() == fit.to_bytes()
    own = pretrain(encoder=SETTINGS[pretrain.method].architecture)
    assert own.loss_history == pretrain().loss_history


def test_an_xresnet_by_name_is_fastais(run):
    fit = run(encoder="xresnet18", epochs=1)
    assert isinstance(fit.encoder, XResNet)
    assert (fit.encoder.width, fit.encoder.stem, fit.encoder.in_channels) == (64, "standard", 3)
    assert fit.feature_dim == 512
    assert not hasattr(fit.encoder, "proj_dim")
    assert run(encoder="xresnet18", epochs=1, feature_dim=512).config == fit.config


@pytest.mark.parametrize("name", XRESNETS)
def test_an_xresnet_of_ours_is_trained_from_its_weights(run, name, snapshot, patches):
    encoder = small_encoder(name, 3)
    before = snapshot(encoder)
    fit = run(encoder=encoder)
    assert snapshot(encoder) == before
    assert type(fit.encoder) is type(encoder)
    assert fit.encoder.stem == "small"
    assert (fit.feature_dim, fit.config["encoder"]) == (encoder.feature_dim, "given")
    assert differs(encoder, fit.encoder)
    twin = FoundationPretrain.from_bytes(fit.to_bytes())
    assert twin.to_bytes() == fit.to_bytes()
    classifier = eb.foundation_fit_classifier(twin, patches, np.arange(24) % 3, epochs=1, seed=1)
    assert classifier.feature_dim == encoder.feature_dim


def test_a_copy_of_a_users_module_is_trained_and_the_fit_keeps_it_without_the_projection(
    run, snapshot, patches
):
    module = Mine()
    before = snapshot(module)
    fit = run(encoder=module)
    assert snapshot(module) == before
    assert type(fit.encoder) is Mine
    assert not fit.encoder.training
    assert list(fit.encoder.state_dict()) == list(module.state_dict())
    changed = differs(module, fit.encoder)
    assert (
        {"conv.weight", "norm.weight", "norm.bias"}
        <= {*changed}
        <= {name for name, _ in module.named_parameters() if not name.startswith("unused")}
    )
    assert (fit.feature_dim, fit.proj_dim) == (5, USUAL[fit.method].get("proj_dim"))
    features = eb.foundation_embed(fit, patches)
    assert features.shape == (24, 5)


@pytest.mark.parametrize("name", ["moco", "simclr"])
def test_an_encoder_with_a_projection_keeps_it(run, name):
    encoder = small_encoder(name, 3)  # of other widths than the verb's
    fit = run(encoder=encoder, lr=1e-9, epochs=1)
    assert type(fit.encoder) is type(encoder)
    assert (fit.feature_dim, fit.encoder.proj_dim) == (6, 4)
    assert fit.proj_dim == (None if fit.method == "rotation" else 4)
    found, given = dict(fit.encoder.named_parameters()), dict(encoder.named_parameters())
    for weight in given:
        assert_close(found[weight], given[weight], 1e-6)


def test_turns_leave_a_projection_as_it_is(rotation):
    encoder = small_encoder("moco", 3)
    changed = differs(encoder, rotation(encoder=encoder).encoder)
    assert changed == [n for n, _ in encoder.named_parameters() if not n.startswith("proj")]


def test_pretraining_goes_on_from_a_fit(run):
    first = run(encoder=small_encoder("moco", 3))
    second = run(encoder=first)
    assert second.to_bytes() == run(encoder=first.encoder).to_bytes()
    assert differs(first.encoder, second.encoder)


def test_the_frozen_encoder_of_a_classifier_trains_again(run, patches):
    probe = eb.foundation_fit_classifier(
        small_encoder("simclr", 3), patches, np.arange(24) % 2, epochs=1, seed=1
    )
    assert differs(probe.encoder, run(encoder=probe).encoder)


def test_what_a_user_froze_stays_frozen(run):
    module = Mine()
    module.conv.requires_grad_(False)
    changed = differs(module, run(encoder=module).encoder)
    assert changed == ["norm.weight", "norm.bias"]


def test_a_step_on_a_module_without_projection_is_that_of_both_side_by_side():
    settings = SimCLRSettings.checked(
        feature_dim=5, proj_dim=4, batch_size=4, epochs=1, steps_per_epoch=1, lr=0.01,
        temperature=0.2, noise_sd=0.1, seed=1,
    )  # fmt: skip
    module = Mine().train()
    module.drop.p = 0.0
    encoder, proj = copy.deepcopy(module), MoCoProjection(5, 4)
    simclr = SimCLR(module, settings)
    assert isinstance(simclr.encoder, Projected)
    simclr.encoder.proj.load_state_dict(proj.state_dict())
    trained = [*encoder.parameters(), *proj.parameters()]
    theirs = torch.optim.Adam(trained, lr=0.01)
    ours = adam([{"params": list(simclr.parameters()), "lr": 0.01}])
    one, other = torch.randn(4, 3, 5, 5), torch.randn(4, 3, 5, 5)
    both = proj(encoder(torch.cat([one, other]))["feature"])
    assert_close(both.square().sum(dim=1).detach(), torch.ones(8), 1e-5)
    loss = nt_xent(*both.chunk(2), 0.2)
    loss.backward()
    theirs.step()
    assert_close(take_step(simclr, ours, [one, other], 0.0), loss, 1e-5)
    assert_close(simclr.encoder.encoder.norm.weight, encoder.norm.weight, 1e-4)
    assert_close(simclr.encoder.proj.fc2.weight, proj.fc2.weight, 1e-4)


class Writing(nn.Module):
    """A module that writes to its input."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(x.mul_(2)).mean(dim=(2, 3))


class Plain(Writing):
    """The same without writing."""

    def forward(self, x):
        return self.conv(x * 2).mean(dim=(2, 3))


def test_a_module_that_writes_to_its_input_gets_views_of_its_own(run, patches):
    assert run(encoder=Writing()).loss_history == run(encoder=Plain()).loss_history


def test_any_kind_of_module_is_trained(run):
    torch.manual_seed(2)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch: TorchScript is old, lazy modules are new
        scripted = torch.jit.script(copy.deepcopy(plain))
        lazy = nn.Sequential(nn.LazyConv2d(4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    losses = [run(encoder=module).loss_history for module in (plain, scripted)]
    assert_close(losses[0], losses[1], 1e-5)
    fit = run(encoder=lazy)
    assert fit.feature_dim == 4
    assert isinstance(lazy[0].weight, nn.parameter.UninitializedParameter)
    assert fit.to_bytes() == run(encoder=lazy).to_bytes()


# --- randomness and checkpoints ------------------------------------------------------------


@pytest.mark.parametrize(
    "encoder", ["simclr", "rotation", Mine()], ids=["name", "one that draws", "module"]
)
def test_the_same_seed_gives_equal_bits_and_torchs_generator_is_left_alone(run, encoder):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = run(encoder=encoder).to_bytes()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert run(encoder=encoder).to_bytes() == one
    assert run(encoder=encoder, seed=2).loss_history != run(encoder=encoder).loss_history


@pytest.mark.parametrize(
    "encoder",
    ["simclr", "rotation", Mine(), small_encoder("xresnet18", 3)],
    ids=["name", "one that draws", "module that draws", "xresnet"],
)
def test_a_run_that_was_stopped_goes_on_and_ends_bit_equal(run, encoder, tmp_path, stopped):
    stopped(lambda: run(encoder=encoder, checkpoint_dir=tmp_path, checkpoint_every=1), 2)
    fit = run(encoder=encoder, checkpoint_dir=tmp_path)
    assert fit.to_bytes() == run(encoder=encoder).to_bytes()


def test_a_checkpoint_of_another_encoder_is_refused(run, tmp_path):
    module = Mine()
    run(encoder=module, checkpoint_dir=tmp_path)
    other = copy.deepcopy(module)
    with torch.no_grad():
        other.conv.weight[0, 0, 0, 0] += 1
    turned = copy.deepcopy(module)
    turned.patch_orientation = "transposed"
    for encoder in (other, turned, "moco", "simclr"):
        with pytest.raises(InputError, match=r"holds the checkpoint of another run.*encoder = "):
            run(encoder=encoder, checkpoint_dir=tmp_path)
    same_again = run(encoder=copy.deepcopy(module), checkpoint_dir=tmp_path)
    assert same_again.to_bytes() == run(encoder=module).to_bytes()


def test_a_checkpoint_has_the_state_of_another_devices_generator(
    run, tmp_path, stopped, monkeypatch
):
    made = []

    class OnTwoDevices(Randomness):
        """With a generator that stands for a GPU's."""

        def __init__(self, seed, device=None):
            super().__init__(seed, device)
            self._generators["another"] = torch.Generator().manual_seed(seed)
            made.append(self._generators["another"])

    class Drawing(Plain):
        def forward(self, x):
            return super().forward(x) + torch.randn(4, generator=made[-1])

    monkeypatch.setattr("edaphos_bridge.pretrain.run.Randomness", OnTwoDevices)
    made.append(torch.Generator())  # for the patch that tells the width
    module = Drawing()
    stopped(lambda: run(encoder=module, checkpoint_dir=tmp_path, checkpoint_every=1), 2)
    fit = run(encoder=module, checkpoint_dir=tmp_path)
    assert fit.to_bytes() == run(encoder=module).to_bytes()


# --- files ---------------------------------------------------------------------------------


def test_a_fit_around_a_users_module_is_read_around_that_module(run, tmp_path, equal_states):
    module = Mine()
    fit = run(encoder=module)
    fit.save(tmp_path / "fit")
    back = FoundationPretrain.load(tmp_path / "fit", encoder=module)
    assert equal_states(back.encoder.state_dict(), fit.encoder.state_dict())
    assert back.to_bytes() == fit.to_bytes()
    assert not equal_states(module.state_dict(), fit.encoder.state_dict())
    with pytest.raises(WeightsError, match=r"a module of your own .*Mine"):
        FoundationPretrain.load(tmp_path / "fit")
    with pytest.raises(WeightsError, match="do not fit the encoder"):
        FoundationPretrain.load(tmp_path / "fit", encoder=nn.Linear(2, 3))


@pytest.mark.parametrize("begun", ["xresnet34", "simclr2", 3, ["given"], None])
def test_a_file_that_says_another_encoder_is_damaged(moco, begun):
    tensors, document = unpack("pretraining", moco(encoder="simclr").to_bytes())
    metadata = {k: v for k, v in document.items() if k not in ("kind", "format_version")}
    del metadata["versions"]
    metadata["config"] = {**metadata["config"], "encoder": begun}
    with pytest.raises(WeightsError, match="damaged"):
        FoundationPretrain.from_bytes(pack("pretraining", tensors, metadata))


def test_printing_names_an_encoder_that_was_asked_for(moco):
    line = "  encoder = {}  in_channels = 3  feature_dim = {}  proj_dim = {}"
    assert str(moco(encoder="simclr")).splitlines()[1] == line.format("simclr", 6, 4)
    given = moco(encoder=Mine(), **LEFT_OUT)
    assert str(given).splitlines()[1] == line.format("custom", 5, 32)


# --- rasters -------------------------------------------------------------------------------


def test_tiles_teach_a_given_encoder_their_normalisation(dataset):
    settings = {"batch_size": 8, "epochs": 2, "seed": 1}
    fit = foundation_moco_pretrain_tiles(dataset, encoder=Mine(), **settings)
    assert fit.normalisation == dataset.normalisation
    patches = dataset.read(np.arange(40))
    plain = eb.foundation_moco_pretrain(patches, encoder=Mine(), **settings)
    assert plain.loss_history == fit.loss_history
    assert plain.normalisation is None
    again = foundation_moco_pretrain_tiles(dataset, encoder=fit, **settings)
    assert again.normalisation == dataset.normalisation


@pytest.mark.parametrize("pretraining", ["tiles", "patches"])
def test_tiles_of_another_normalisation_than_the_encoders_are_refused(pretraining, dataset):
    encoder = small_encoder("moco", 3)
    encoder.normalisation = Normalisation(("a", "b", "c"), (0.0,) * 3, (1.0,) * 3, True, 5)
    verb, argument = {
        "tiles": (foundation_moco_pretrain_tiles, "dataset"),
        "patches": (eb.foundation_moco_pretrain, "patches"),
    }[pretraining]
    with pytest.raises(InputError, match=f"`{argument}` must not be a tile data set with another"):
        verb(dataset, encoder=encoder, epochs=1)


@pytest.mark.parametrize("pretraining", ["tiles", "patches"])
def test_an_encoder_of_transposed_patches_gets_them_transposed(pretraining, dataset):
    encoder = small_encoder("simclr", 3)
    encoder.patch_orientation = "transposed"
    settings = {"batch_size": 8, "epochs": 2, "seed": 1, "encoder": encoder}
    verb = foundation_moco_pretrain_tiles if pretraining == "tiles" else eb.foundation_moco_pretrain
    fit = verb(dataset, **settings)
    turned = dataset.read(np.arange(40)).swapaxes(2, 3)
    assert fit.loss_history == eb.foundation_moco_pretrain(turned, **settings).loss_history
    assert fit.encoder.patch_orientation == "transposed"
    assert dataset.patch_orientation == "rows_first"


def test_an_encoder_keeps_its_normalisation_over_patches_of_an_array(dataset):
    encoder = small_encoder("simclr", 3)
    encoder.normalisation = dataset.normalisation
    patches = dataset.read(np.arange(40))
    fit = eb.foundation_simclr_pretrain(patches, encoder=encoder, epochs=1, seed=1)
    assert fit.normalisation == dataset.normalisation
    with pytest.warns(EdaphosWarning):  # raw cells
        eb.foundation_simclr_pretrain(1000 * patches + 5000, encoder=encoder, epochs=1, seed=1)


# --- what cannot be used -------------------------------------------------------------------


def nothing_to_train():
    return Mine().requires_grad_(False)


def with_a_hole():
    module = Mine()
    with torch.no_grad():
        module.unused.weight[0, 0] = torch.nan
    return module


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ("resnet", "`encoder` must be one of 'moco', 'simclr', 'rotation'"),
        (3, "`encoder` must be a fit of edaphos_bridge or a torch.nn.Module"),
        (XResNet, "`encoder` must be a fit of edaphos_bridge or a torch.nn.Module"),
        (RotationEncoder(3, patch_size=6), "`encoder` takes patches of 6 x 6 cells alone"),
        (MoCoEncoder(4), "`patches` must have 4 channels for this encoder; found 3"),
        (nn.Sequential(nn.Conv2d(2, 3, 1)), "`patches` must have 2 channels for this encoder"),
        (nn.Conv2d(3, 6, 3), "`encoder` must return features (B, D) for 1 patches"),
        (nn.Conv2d(3, 6, 9), "`encoder` fails on a patch of shape [1, 3, 5, 5]"),
        (nn.Sequential(nn.Flatten()), "`encoder` has no parameter that requires a gradient"),
        (nothing_to_train(), "`encoder` has no parameter that requires a gradient"),
        (with_a_hole(), "`encoder` has weights that are NaN or infinite (unused.weight)"),
        (Mine().to("meta"), "`encoder` has weights on the meta device"),
    ],
)
def test_an_encoder_that_cannot_be_used_is_an_error_before_anything(
    pretrain, run, encoder, message, tmp_path
):
    message = message.replace("patches` must", f"{pretrain.argument}` must")
    with pytest.raises(InputError, match=re.escape(message)):
        run(encoder=encoder, checkpoint_dir=tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("encoder", "width", "says"),
    [
        ("xresnet18", {"feature_dim": 100}, "must be 512"),
        (small_encoder("xresnet18", 3), {"feature_dim": 100}, "must be 16"),
        (Mine(), {"feature_dim": 6}, "must be 5"),
        (small_encoder("moco", 3), {"feature_dim": 7}, "must be 6"),
    ],
)
def test_widths_that_the_encoder_does_not_have_are_refused(run, encoder, width, says):
    (argument,) = width
    with pytest.raises(InputError, match=f"`{argument}` {says}, the width that this encoder has"):
        run(encoder=encoder, **width)


def test_a_projection_of_another_width_is_refused(moco):
    with pytest.raises(InputError, match="`proj_dim` must be 4, the width that this encoder has"):
        moco(encoder=small_encoder("moco", 3), proj_dim=7)


def test_patches_that_no_rotation_encoder_is_made_for_are_refused(moco, patches):
    for some, found in ((patches[..., :4], "5 x 4"), (patches[:, :, :3, :3], "3 x 3")):
        says = f"`patches` must be square, of at least 4 cells to a side.*found '{found} cells'"
        with pytest.raises(InputError, match=says):
            moco(some, encoder="rotation")
