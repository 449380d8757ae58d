"""fastai's head, and heads of the user's own."""

import numpy as np
import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import FoundationClassifier, foundation_fit_classifier
from edaphos_bridge.encoders.encoder import maps_of, pooled_maps
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.heads.registry import ConcatPoolHead, dropouts_of
from small_fits import REGIMES, quick, same, small_network


def test_fastais_head_has_its_layers_in_its_order():
    head = ConcatPoolHead(8, 3, (12,), 0.5)
    names = [type(layer).__name__ for layer in head]
    assert names == [
        "Identity", "Identity", "BatchNorm1d", "Dropout", "Linear", "ReLU",
        "BatchNorm1d", "Dropout", "Linear",
    ]  # fmt: skip
    assert [layer.p for layer in head if isinstance(layer, nn.Dropout)] == [0.25, 0.5]
    linear = [layer for layer in head if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(16, 12), (12, 3)]
    assert all(layer.bias is None for layer in linear)


def test_a_dropout_of_zero_has_no_layer():
    assert not any(isinstance(layer, nn.Dropout) for layer in ConcatPoolHead(8, 3, (12,), 0.0))


def test_one_dropout_is_halved_but_for_the_last_layer():
    assert dropouts_of(0.4, 3) == [0.2, 0.2, 0.4]
    assert dropouts_of([0.1, 0.3, 0.2], 3) == [0.1, 0.3, 0.2]


def test_it_reads_maxima_then_means_of_the_coarsest_map(encoder, x):
    patches = torch.from_numpy(x.astype(np.float32))
    encoder.eval()
    coarsest = maps_of(encoder, patches)[-1]
    found = pooled_maps(encoder, patches)
    assert torch.equal(found[:, :8], coarsest.amax((2, 3)))
    assert_close(found[:, 8:], encoder(patches), 1e-6)


@REGIMES
def test_it_trains_predicts_and_lives_in_a_file(encoder, easy, tmp_path, freeze_backbone):
    x, y = easy
    settings = {"head": "concat_pool", "hidden": 16, "epochs": 20, "lr": 0.01, "seed": 1}
    fit = foundation_fit_classifier(encoder, x, y, freeze_backbone=freeze_backbone, **settings)
    assert fit.head_type == "concat_pool"
    assert fit.feature_dim == 8
    assert np.mean(np.asarray(fit.predict(x)) == y) > 0.9
    fit.save(tmp_path / "fit.safetensors")
    again = FoundationClassifier.load(tmp_path / "fit.safetensors")
    assert same(fit, again)
    assert np.array_equal(again.predict_proba(x), fit.predict_proba(x))


def test_an_encoder_that_shows_no_maps_is_refused(x, y):
    with pytest.raises(InputError, match="feature maps"):
        quick(nn.Sequential(nn.Flatten(), nn.Linear(100, 4)), x, y, head="concat_pool")


@pytest.mark.parametrize("dropout", [(0.1,), (0.1, 0.2, 0.3), (0.1, 1.0), "half"])
def test_as_many_dropouts_as_layers(encoder, x, y, dropout):
    with pytest.raises(InputError) as raised:
        quick(encoder, x, y, head="concat_pool", hidden=(4,), dropout=dropout)
    assert raised.value.argument == "dropout"


def own_head():
    torch.manual_seed(3)
    return nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 3))


@REGIMES
def test_a_module_of_the_users_is_copied_and_trained(encoder, x, y, freeze_backbone):
    head = own_head()
    before = {name: tensor.clone() for name, tensor in head.state_dict().items()}
    fit = quick(encoder, x, y, head=head, freeze_backbone=freeze_backbone)
    assert (fit.head_type, fit.config["head"]) == ("custom", "custom")
    assert all(torch.equal(head.state_dict()[name], before[name]) for name in before)
    assert not torch.equal(fit.head[1].weight, head[1].weight)


def test_a_factory_is_given_both_widths_and_draws_from_the_seed(encoder, x, y):
    asked = []

    def make(n_in, n_out):
        asked.append((n_in, n_out))
        return nn.Linear(n_in, n_out)

    one, two = (quick(encoder, x, y, head=make, seed=seed) for seed in (5, 5))
    assert asked == [(8, 3)] * 2
    assert torch.equal(one.head.weight, two.head.weight)
    linear = quick(encoder, x, y, seed=5)
    assert_close(one.loss_history, linear.loss_history, 1e-4)


def test_a_file_of_a_head_of_the_users_asks_for_it(encoder, x, y, tmp_path):
    fit = quick(encoder, x, y, head=own_head())
    fit.save(tmp_path / "fit.safetensors")
    with pytest.raises(WeightsError, match="head="):
        FoundationClassifier.load(tmp_path / "fit.safetensors")
    with pytest.raises(WeightsError, match="do not fit the head"):
        FoundationClassifier.load(tmp_path / "fit.safetensors", head=nn.Linear(8, 3))
    again = FoundationClassifier.load(tmp_path / "fit.safetensors", head=own_head())
    assert np.array_equal(again.predict_proba(x), fit.predict_proba(x))


@pytest.mark.parametrize(
    "head",
    [
        nn.Linear(7, 3),
        nn.Linear(8, 4),
        nn.Identity(),
        lambda n_in, n_out: None,
        lambda n_in: nn.Linear(n_in, 3),
        "custom",
        "conv",
        3,
    ],
)
def test_what_is_no_head_for_these_widths_is_refused(encoder, x, y, head):
    with pytest.raises(InputError) as raised:
        quick(encoder, x, y, head=head)
    assert raised.value.argument == "head"


@pytest.mark.parametrize("head", [nn.Linear(7, 3), nn.Linear(8, 4)])
def test_a_module_that_is_no_head_is_refused_before_all_patches_are_read(x, y, head):
    seen = []
    encoder = small_network()
    encoder.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    with pytest.raises(InputError):
        quick(encoder, x, y, head=head)
    assert sum(seen) <= 2


@pytest.mark.parametrize("freeze_backbone", [True, False])
def test_a_module_that_a_factory_gives_again_is_left_alone(encoder, x, y, freeze_backbone):
    module = nn.Linear(8, 3)
    before = module.weight.clone()
    fit = quick(encoder, x, y, head=lambda n_in, n_out: module, freeze_backbone=freeze_backbone)
    assert torch.equal(module.weight, before)
    assert not torch.equal(fit.head.weight, before)


class Detached(nn.Linear):
    def forward(self, x):
        return super().forward(x).detach()


class Complex(nn.Linear):
    def forward(self, x):
        return super().forward(x) * 1j


@pytest.mark.parametrize(
    "head",
    [
        nn.Linear(8, 3).requires_grad_(False),
        Detached(8, 3),
        Complex(8, 3),
        nn.Linear(8, 3, device="meta"),
    ],
    ids=["frozen", "detached", "complex", "meta"],
)
def test_a_head_that_cannot_train_is_refused(encoder, x, y, head):
    with pytest.raises(InputError) as raised:
        quick(encoder, x, y, head=head)
    assert raised.value.argument == "head"


@pytest.mark.parametrize("head", ["linear", 3, nn.Linear])
def test_what_a_file_is_to_fill_must_be_a_module(encoder, x, y, head):
    data = quick(encoder, x, y, head=nn.Linear(8, 3)).to_bytes()
    with pytest.raises(InputError) as raised:
        FoundationClassifier.from_bytes(data, head=head)
    assert raised.value.argument == "head"


def test_a_model_without_parameters_is_refused(x, y):
    encoder = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for freeze_backbone in (True, False):
        with pytest.raises(InputError, match="no parameter"):
            quick(encoder, x[:, :3], y, head=nn.Identity(), freeze_backbone=freeze_backbone)
