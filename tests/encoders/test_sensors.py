"""One encoder for two sensors: what they share, what is their own, and the encoder of each."""

import copy
import warnings

import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import foundation_encoder
from edaphos_bridge.data.normalisation import Normalisation
from edaphos_bridge.encoders import MoCoEncoder, SimCLREncoder
from edaphos_bridge.encoders.digest import digest_of_module, layers_of
from edaphos_bridge.encoders.encoder import groups_of, maps_of
from edaphos_bridge.encoders.foundation import describe_encoder
from edaphos_bridge.encoders.known_modules import is_as_built
from edaphos_bridge.encoders.sensors import BOTH, SensorEncoder, for_two_sensors
from edaphos_bridge.errors import InputError
from edaphos_bridge.weights.encoder_file import encoder_from_bytes, encoder_to_bytes

KINDS = {"moco": MoCoEncoder, "simclr": SimCLREncoder}
CASES = [((4, 3), False), ((3, 3), False), ((3, 3), True)]


def x(channels, n=2, seed=1):
    return torch.randn(n, channels, 7, 5, generator=torch.Generator().manual_seed(seed))


def made(channels=(4, 3), shared=False, architecture="moco"):
    """An encoder that has seen patches of both, so that its running statistics are its own."""
    torch.manual_seed(1)
    encoder = foundation_encoder(architecture, channels[0], feature_dim=6, proj_dim=4, seed=1)
    both = for_two_sensors(encoder, channels, (7, 5), shared_stem=shared)
    both.train()(x(sum(channels), n=8))
    return both.eval()


@pytest.fixture(params=CASES)
def both(request):
    """An encoder of two sensors."""
    return made(*request.param)


@pytest.mark.parametrize("architecture", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_of_one_sensor_it_is_the_encoder_it_was_made_of_as_built(architecture, case):
    (a, b), shared = case
    both = made((a, b), shared, architecture)
    for sensor, channels in (("a", a), ("b", b)):
        alone = both.of(sensor)
        assert type(alone) is KINDS[architecture]
        assert alone.in_channels == channels
        assert is_as_built(alone)
        assert alone(x(channels)).shape == (2, 6)


def test_sensor_a_has_the_features_of_the_encoder_that_was_given():
    encoder = foundation_encoder("moco", 4, feature_dim=6, seed=1).eval()
    both = for_two_sensors(encoder, (4, 3), (7, 5), shared_stem=False)
    assert torch.equal(both.of("a")(x(4)), encoder(x(4)))
    assert torch.equal(both.features(x(4), x(3))[:2], encoder(x(4)))


def test_features_are_those_of_a_then_those_of_b_from_one_pass(both):
    a, b = both.channels
    found = both.features(x(a, n=3), x(b, n=2))
    assert_close(found[:3], both.of("a")(x(a, n=3)), 1e-6)
    assert_close(found[3:], both.of("b")(x(b, n=2)), 1e-6)


@pytest.mark.parametrize("sensors", BOTH)
def test_features_of_both_are_a_mean_or_side_by_side(both, sensors):
    a, b = both.channels
    patches = torch.cat([x(a), x(b, seed=2)], dim=1)
    of_a, of_b = both.of("a")(x(a)), both.of("b")(x(b, seed=2))
    expected = (of_a + of_b) / 2 if sensors == "mean" else torch.cat([of_a, of_b], dim=1)
    encoder = both.of(sensors)
    assert_close(encoder(patches), expected, 1e-6)
    assert encoder.feature_dim == expected.shape[1]
    assert encoder.in_channels == a + b
    maps = maps_of(encoder, patches)
    assert_close(maps[-1].mean(dim=(2, 3)), expected, 1e-6)


def test_each_sensor_has_its_own_stem_and_shares_the_rest():
    both = made((3, 3))
    a, b = (dict(both.of(sensor).named_parameters()) for sensor in "ab")
    assert list(a) == list(b)
    assert {name for name in a if a[name] is not b[name]} == {
        "backbone.conv1.weight",
        "backbone.conv1.bias",
    }


def test_sensors_that_share_their_stem_share_all():
    both = made((3, 3), shared=True)
    a, b = (dict(both.of(sensor).named_parameters()) for sensor in "ab")
    assert all(a[name] is b[name] for name in a)
    assert [name for name, _ in both.named_parameters()] == [f"body.{name}" for name in a]


def test_what_is_made_of_it_leaves_it_as_it_was(both):
    before = copy.deepcopy(both)
    for sensors in ("a", "b", *BOTH):
        other = both.of(sensors)
        other.normalisation = "another"
        other.body = None
    assert repr(both) == repr(before)
    assert both.normalisation is None
    assert both.body.in_channels == before.body.in_channels
    assert both.sensors == "mean"


def test_the_groups_hold_every_weight_that_the_features_need_once(both):
    both.train()(x(both.in_channels)).sum().backward()
    grouped = [p for group in groups_of(both) for part in group for p in part.parameters()]
    needed = [p for p in both.parameters() if p.grad is not None]
    assert [id(p) for p in grouped] == [id(p) for p in needed]
    assert len(groups_of(both)) == 5


@pytest.mark.parametrize("sensors", BOTH)
def test_a_file_holds_all_of_it(both, sensors, equal_states):
    encoder = both.of(sensors)
    encoder.normalisation = normalisation(both.in_channels)
    encoder.patch_orientation = "transposed"
    back = encoder_from_bytes(encoder_to_bytes(encoder))
    assert type(back) is SensorEncoder
    assert equal_states(back.state_dict(), encoder.state_dict())
    assert describe_encoder(back) == describe_encoder(encoder)
    assert encoder_to_bytes(back) == encoder_to_bytes(encoder)
    patches = x(both.in_channels)
    assert torch.equal(back.eval()(patches), encoder(patches))
    assert (back.stem is None) == (both.stem is None)


def test_encoders_whose_features_differ_are_told_apart(both):
    for told in (digest_of_module, layers_of):
        assert told(both.of("mean")) != told(both.of("concat"))
        assert told(both.of("mean")) == told(both.of("concat").of("mean"))


# --- modules of a user's -------------------------------------------------------------------


class Own(nn.Module):
    """Begins with a convolution in so many groups, and says what it takes by a property."""

    def __init__(self, groups=1):
        super().__init__()
        self.first = nn.Conv2d(4, 8, 3, groups=groups)

    @property
    def in_channels(self):
        return self.first.in_channels

    def forward(self, x):
        return self.first(x).mean(dim=(2, 3))


class Double(Own):
    """Computes in another type than that of patches."""

    def __init__(self):
        super().__init__()
        self.double()

    def forward(self, x):
        return super().forward(x.double())


class Compiled(nn.Module):
    """As `torch.compile` wraps a module: its forward pass knows nothing of other parts."""

    def __init__(self):
        super().__init__()
        self._orig_mod = Own()

    def forward(self, x):
        return self._orig_mod(x)

    def __copy__(self):
        raise AssertionError("has no copy that takes other parts")


def two(encoder, channels=(4, 2)):
    return for_two_sensors(encoder, channels, (7, 5), shared_stem=False).eval()


@pytest.mark.parametrize("encoder", [Own(), Own(groups=2), Compiled()])
def test_a_module_of_the_users_is_that_of_either_sensor(encoder):
    both = two(encoder)
    for sensor, channels in (("a", 4), ("b", 2)):
        alone = both.of(sensor)
        assert alone.in_channels == channels
        assert alone(x(channels)).shape == (2, 8)


@pytest.mark.parametrize(
    ("encoder", "problem"),
    [
        (Own(groups=4), "must begin with a convolution whose groups divide the 2 channels"),
        (Double(), "must begin with a convolution of the patches as they are"),
    ],
)
def test_a_convolution_that_sensor_b_cannot_have_is_refused(encoder, problem):
    with pytest.raises(InputError, match=problem):
        two(encoder)


def test_an_encoder_whose_other_layers_take_patches_alone_is_refused():
    rotation = foundation_encoder("rotation", 4, patch_size=8)
    with pytest.raises(InputError, match="its other layers must take what that gives"):
        for_two_sensors(rotation, (4, 2), (8, 8), shared_stem=False)


# --- normalisation -------------------------------------------------------------------------


def normalisation(n):
    return Normalisation(
        bands=tuple(f"band_{number}" for number in range(1, n + 1)),
        means=tuple(float(number) for number in range(n)),
        sds=tuple(float(number) for number in range(1, n + 1)),
        normalise=True,
        patch_size=5,
    )


def test_a_digest_tells_a_mean_from_features_side_by_side(both):
    assert len({digest_of_module(both.of(sensors)) for sensors in ("mean", "concat", "a")}) == 3


def test_each_sensor_carries_the_normalisation_of_its_bands(both):
    a, b = both.channels
    both.normalisation = normalisation(a + b)
    both.patch_orientation = "transposed"
    of_a, of_b = both.of("a"), both.of("b")
    assert of_a.normalisation.bands + of_b.normalisation.bands == both.normalisation.bands
    assert len(of_b.normalisation.bands) == b
    assert of_b.normalisation.means == both.normalisation.means[a:]
    assert of_b.normalisation.sds == both.normalisation.sds[a:]
    assert {of_a.patch_orientation, of_b.patch_orientation} == {"transposed"}
    assert both.body.normalisation is None


# --- modules of a user's own -----------------------------------------------------------------


class Own(nn.Module):
    """An encoder whose first layers are those given."""

    def __init__(self, *first):
        super().__init__()
        self.first = nn.Sequential(*first)
        self.last = nn.Sequential(nn.BatchNorm2d(6), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, patches):
        return self.last(self.first(patches))


def test_a_module_that_begins_with_a_convolution_serves_with_its_settings():
    own = Own(nn.Identity(), nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False))
    both = for_two_sensors(own.eval(), (4, 3), (7, 5), shared_stem=False)
    assert repr(both.stems["b"]) == repr(both.stems["a"]).replace("Conv2d(4", "Conv2d(3")
    assert both(x(7)).shape == (2, 6)
    assert both.of("b")(x(3)).shape == (2, 6)


class Scaled(Own):
    """An encoder that does something to patches that is no layer."""

    def forward(self, patches):
        return super().forward(patches * 2)


@pytest.mark.parametrize(
    "own",
    [
        Own(nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3)),
        Own(nn.Flatten(), nn.Linear(140, 6), nn.Unflatten(1, (6, 1, 1))),
        Scaled(nn.Conv2d(4, 6, 3)),
    ],
)  # fmt: skip
def test_one_that_begins_otherwise_is_refused(own):
    with pytest.raises(InputError, match="`encoder` must begin with a convolution"):
        for_two_sensors(own, (4, 3), (7, 5), shared_stem=False)


def test_torchscript_shows_no_layers_and_serves_sensors_that_share_all():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        own = torch.jit.script(Own(nn.Conv2d(4, 6, 3)).eval())
    with pytest.raises(InputError, match="`encoder` must begin with a convolution"):
        for_two_sensors(own, (4, 3), (7, 5), shared_stem=False)
    both = for_two_sensors(own, (4, 4), (7, 5), shared_stem=True)
    assert both(x(8)).shape == (2, 6)


def test_any_module_serves_sensors_that_share_all():
    own = Own(nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3))
    both = for_two_sensors(own.eval(), (4, 4), (7, 5), shared_stem=True)
    assert_close(both.of("b")(x(4)), own(x(4)), 1e-6)
    assert describe_encoder(both)["architecture"] == "custom"


def test_looking_for_the_stem_changes_no_statistics_and_no_mode():
    encoder = foundation_encoder("moco", 4, feature_dim=6, seed=1).train()
    both = for_two_sensors(encoder, (4, 3), (7, 5), shared_stem=False)
    assert all(module.training for module in both.modules())
    assert both.body.backbone.bn1.num_batches_tracked == 0
    assert not any(module._forward_pre_hooks for module in both.modules())
