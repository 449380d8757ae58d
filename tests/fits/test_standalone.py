"""A fit as one module: what `torch.export` and TorchScript take, with the numbers of the fit."""

import warnings
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge.errors import InputError
from small_fits import REGIMES, quick, small_network


@REGIMES
def test_a_module_gives_what_the_fit_predicts(encoder, x, y, freeze_backbone):
    fit = quick(encoder, x, y, freeze_backbone=freeze_backbone, head="mlp", hidden=5, dropout=0.5)
    patches = torch.from_numpy(x).float()
    with torch.no_grad():
        logits, probabilities = (fit.module(values=values)(patches) for values in (False, True))
        expected = fit.head(fit.encoder(patches))
    assert (logits.dtype, probabilities.dtype) == (torch.float32, torch.float64)
    assert torch.equal(logits, expected)
    assert_close(probabilities, fit.predict_proba(x), 1e-6)


@REGIMES
def test_a_module_is_a_copy_in_eval_mode_that_may_be_trained(
    encoder, x, y, freeze_backbone, snapshot
):
    fit = quick(encoder, x, y, freeze_backbone=freeze_backbone)
    before = snapshot(fit.encoder), snapshot(fit.head)
    module = fit.module()
    assert not any(part.training for part in module.modules())
    module.train()
    module(torch.zeros(3, 4, 5, 5)).sum().backward()
    assert all(p.grad is not None for p in [*module.model.encoder.backbone.parameters()])
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert (snapshot(fit.encoder), snapshot(fit.head)) == before


def test_a_module_pools_maps_where_the_head_reads_those(encoder, x, y):
    fit = quick(encoder, x, y, head="concat_pool", freeze_backbone=False, batch_size=33)
    patches = torch.from_numpy(x).float()
    module = fit.module(values=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about itself
        rows = {0: torch.export.Dim("rows")}
        program = torch.export.export(module, (patches[:3],), dynamic_shapes={"x": rows})
    with torch.no_grad():
        assert_close(module(patches), fit.predict_proba(x), 1e-6)
        assert_close(program.module()(patches), fit.predict_proba(x), 1e-6)


class Wrapped(nn.Module):
    """Features beside something else, as a map of one cell."""

    def __init__(self, wrap):
        super().__init__()
        self.network = small_network()
        self.wrap = wrap

    def forward(self, x):
        return self.wrap(self.network(x)[:, :, None, None])


@pytest.mark.parametrize(
    "wrap", [lambda f: {"projection": f, "feature": f + 1}, lambda f: SimpleNamespace(embedding=f)]
)
def test_a_module_finds_features_where_the_fit_does(x, y, wrap):
    fit = quick(Wrapped(wrap), x, y)
    with torch.no_grad():
        found = fit.module(values=True)(torch.from_numpy(x).float())
    assert_close(found, fit.predict_proba(x), 1e-6)


def test_a_module_can_be_exported_for_any_number_of_patches_and_read_back(encoder, x, y, tmp_path):
    fit = quick(encoder, x, y, freeze_backbone=False)
    patches = torch.from_numpy(x).float()
    rows = {0: torch.export.Dim("rows")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about itself
        program = torch.export.export(
            fit.module(values=True), (patches[:3],), dynamic_shapes={"x": rows}
        )
        torch.export.save(program, tmp_path / "program.pt2")
        again = torch.export.load(tmp_path / "program.pt2")
    for exported in (program, again):
        with torch.no_grad():
            assert_close(exported.module()(patches), fit.predict_proba(x), 1e-6)


def test_a_module_can_be_traced_by_torchscript(encoder, x, y, tmp_path):
    fit = quick(encoder, x, y)
    patches = torch.from_numpy(x).float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript itself
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # of checks that it leaves out
        traced = torch.jit.trace(fit.module(values=True), patches[:3])
        torch.jit.save(traced, tmp_path / "traced.pt")
        again = torch.jit.load(tmp_path / "traced.pt")
    with torch.no_grad():
        assert_close(again(patches), fit.predict_proba(x), 1e-6)


def test_values_is_a_flag(encoder, x, y):
    with pytest.raises(InputError, match="`values` must be a single true/false value"):
        quick(encoder, x, y).module(values="prob")
