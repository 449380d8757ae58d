"""A copy that is ours to change, and a lock that no `.train()` opens."""

import copy
import io
import pickle
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import FoundationClassifier, foundation_fit_classifier
from edaphos_bridge.encoders.copying import as_module, freeze, own_copy
from edaphos_bridge.errors import EdaphosWarning, InputError


def modes(module):
    return [part.training for part in module.modules()]


def test_a_module_is_its_own_encoder_and_a_fit_has_one(encoder):
    assert as_module(encoder) is encoder
    assert as_module(SimpleNamespace(encoder=encoder)) is encoder


@pytest.mark.parametrize(
    "value", [None, 1, "moco", [], {}, object(), len, nn.Linear, SimpleNamespace(encoder="moco")]
)
def test_anything_else_is_no_encoder(value):
    with pytest.raises(InputError, match="`encoder` must be a fit of edaphos_bridge or a torch"):
        as_module(value)


def test_a_class_given_in_place_of_a_module_is_shown_as_a_class():
    with pytest.raises(InputError, match="found <class 'torch"):
        as_module(nn.Linear)


def test_a_copy_shares_no_memory_and_has_no_gradients(encoder, snapshot):
    encoder(torch.randn(3, 4, 5, 5)).sum().backward()
    encoder.backbone.conv1.requires_grad_(False)
    encoder.backbone.bn1.eval()
    before = snapshot(encoder)
    twin = own_copy(encoder)
    assert all(parameter.grad is None for parameter in twin.parameters())
    assert modes(twin) == modes(encoder)
    assert [p.requires_grad for p in twin.parameters()] == [
        p.requires_grad for p in encoder.parameters()
    ]
    with torch.no_grad():
        for tensor in twin.state_dict().values():
            tensor.zero_()
    assert snapshot(encoder) == before


def test_a_module_that_cannot_be_copied_is_an_error():
    class Stubborn(nn.Module):
        def __deepcopy__(self, memo):
            raise TypeError("no copies")

    with pytest.raises(InputError, match=r"`encoder` cannot be copied \(TypeError: no copies\)"):
        own_copy(Stubborn())


def test_frozen_is_eval_mode_without_gradients_in_every_part(dropout_encoder):
    freeze(dropout_encoder)
    assert not any(modes(dropout_encoder))
    assert not any(parameter.requires_grad for parameter in dropout_encoder.parameters())


@pytest.mark.parametrize(
    "wake", [lambda m: m.train(), lambda m: m.train(mode=True), lambda m: nn.Sequential(m).train()]
)
def test_frozen_stays_in_eval_mode_whatever_calls_train(dropout_encoder, wake, state_of):
    freeze(dropout_encoder)
    before = state_of(dropout_encoder)
    wake(dropout_encoder)
    for part in dropout_encoder.modules():
        part.train()
    x = torch.randn(5, 4, 5, 5)
    assert torch.equal(dropout_encoder(x), dropout_encoder(x))
    assert not any(modes(dropout_encoder))
    for name, tensor in dropout_encoder.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_train_and_eval_of_a_frozen_module_return_it(dropout_encoder):
    freeze(dropout_encoder)
    assert dropout_encoder.train() is dropout_encoder
    assert dropout_encoder.eval() is dropout_encoder


def test_the_lock_survives_a_deep_copy_and_binds_the_copy(dropout_encoder):
    twin = copy.deepcopy(freeze(dropout_encoder))
    assert twin.train() is twin
    assert not any(modes(twin))
    assert all(part.train() is part for part in twin.modules())


def test_freezing_twice_is_freezing_once(dropout_encoder):
    freeze(freeze(dropout_encoder))
    assert not any(modes(dropout_encoder.train()))


def test_our_copy_of_a_frozen_module_can_be_trained_and_the_frozen_one_stays_frozen(
    dropout_encoder,
):
    frozen = freeze(dropout_encoder)
    twin = own_copy(frozen)
    assert all(modes(twin.train()))
    assert all(parameter.requires_grad for parameter in twin.parameters())
    assert not any(modes(frozen.train()))
    assert not any(parameter.requires_grad for parameter in frozen.parameters())


def pickled(module):
    return pickle.loads(pickle.dumps(module))


def saved_by_torch(module):
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES = {
    "pickle": pickled,
    "the oldest pickle": lambda module: pickle.loads(pickle.dumps(module, protocol=0)),
    "torch.save": saved_by_torch,
    "deepcopy": copy.deepcopy,
    "twice": lambda module: copy.deepcopy(pickled(pickled(module))),
}


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_of_a_frozen_module_by_anybody_is_frozen(dropout_encoder, equal_states, way):
    twin = COPIES[way](freeze(dropout_encoder))
    assert equal_states(twin.state_dict(), dropout_encoder.state_dict())
    assert all(part.train() is part for part in twin.modules())
    assert not any(modes(twin.train()))
    assert not any(parameter.requires_grad for parameter in twin.parameters())


@pytest.mark.parametrize("way", COPIES)
def test_our_copy_of_such_a_copy_can_be_trained(dropout_encoder, way):
    twin = own_copy(COPIES[way](freeze(dropout_encoder)))
    assert all(modes(twin.train()))
    assert all(parameter.requires_grad for parameter in twin.parameters())


@pytest.mark.parametrize("way", COPIES)
def test_a_copied_fit_stays_frozen_and_can_be_fine_tuned(encoder, way):
    """A fit that has lost its lock would train its head alone."""
    x = np.random.default_rng(1).normal(size=(12, 4, 5, 5))
    y = ["dry", "wet"] * 6
    fit = foundation_fit_classifier(encoder, x, y, epochs=1, seed=1)
    copied = COPIES[way](fit)
    assert not any(modes(copied.encoder.train()))
    tuned = {"freeze_backbone": False, "epochs": 1, "seed": 2, "lr": 0.1}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = foundation_fit_classifier(copied, x, y, **tuned)
    assert found.to_bytes() == foundation_fit_classifier(fit, x, y, **tuned).to_bytes()
    before = copied.encoder.backbone.conv1.weight
    assert not torch.equal(found.encoder.backbone.conv1.weight, before)


# --- TorchScript ----------------------------------------------------------------------------

pytest_jit = pytest.mark.filterwarnings("ignore:`?torch.jit:DeprecationWarning")
X = np.random.default_rng(1).normal(size=(40, 4, 5, 5)).astype(np.float32)


def plain(norm=nn.BatchNorm2d):
    torch.manual_seed(1)
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(nn.Conv2d(4, 6, 3), norm(6), nn.ReLU(), *pool)


def without_modes():
    return plain(norm=nn.Identity)  # a trace holds one mode for good


SCRIPTS = {
    "script": (plain, torch.jit.script),
    "trace": (without_modes, lambda module: torch.jit.trace(module, torch.from_numpy(X[:3]))),
    "part of a module": (plain, lambda module: nn.Sequential(torch.jit.script(module))),
}


@pytest_jit
@pytest.mark.parametrize("kind", SCRIPTS)
@pytest.mark.parametrize("freeze_backbone", [True, False])
def test_a_script_is_fitted_as_the_module_it_was_made_of(kind, freeze_backbone, equal_states):
    settings = {"freeze_backbone": freeze_backbone, "epochs": 2, "lr": 0.1, "seed": 1}
    make, scripted = SCRIPTS[kind]
    module, script = make(), scripted(make())
    before = copy.deepcopy(script.state_dict())
    fit = foundation_fit_classifier(script, X, list("abcd") * 10, **settings)
    expected = foundation_fit_classifier(module, X, list("abcd") * 10, **settings)
    assert_close(fit.predict_proba(X), expected.predict_proba(X), 1e-4)
    assert equal_states(script.state_dict(), before)
    assert equal_states(script.state_dict(), fit.encoder.state_dict()) is freeze_backbone
    read = FoundationClassifier.from_bytes(fit.to_bytes(), encoder=scripted(make()))
    np.testing.assert_array_equal(read.predict_proba(X), fit.predict_proba(X))


@pytest_jit
def test_a_frozen_script_stays_frozen_and_our_copy_of_it_trains():
    script = torch.jit.script(plain())
    script.normalisation = "carried"
    frozen = freeze(own_copy(script))
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    assert not any(modes(frozen.train()))
    twin = own_copy(frozen)
    assert twin.normalisation == "carried"
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in twin.parameters())
    assert all(modes(twin.train()))
    assert not any(modes(frozen))


@pytest_jit
def test_a_script_without_weights_trains_the_head_alone_and_says_so():
    script = torch.jit.freeze(torch.jit.script(plain().eval()))
    with pytest.warns(EdaphosWarning, match="only the head is trained"):
        foundation_fit_classifier(script, X, list("abcd") * 10, freeze_backbone=False, epochs=1)


def test_weights_on_the_meta_device_are_refused():
    with pytest.raises(InputError, match="`encoder` has weights on the meta device"):
        own_copy(plain().to("meta"))
