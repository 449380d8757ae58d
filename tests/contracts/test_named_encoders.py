"""Every function that fits takes every encoder that has a name."""

import numpy as np
import pytest
import torch

import edaphos_bridge as eb
from closeness import assert_close
from small_encoders import small_encoder
from small_fits import quick

NAMES = ["simclr", "xresnet18", "xresnet50"]  # blocks of each kind
QUICK = {"epochs": 1, "seed": 1}
FITS = {
    "probe": lambda e, x, y: quick(e, x, y),
    "full fine-tuning": lambda e, x, y: quick(e, x, y, freeze_backbone=False),
    "pooled maps": lambda e, x, y: quick(e, x, y, head="concat_pool", dropout=0.5),
    "recipe": lambda e, x, y: eb.foundation_fine_tune(e, x, y, epochs=1, seed=1),
    "gradual": lambda e, x, y: eb.foundation_finetune_classifier(
        quick(e, x, y, epochs=1), x, y, recipe="gradual", epochs=6, seed=1
    ),
    "layer-wise": lambda e, x, y: eb.foundation_finetune_classifier(
        quick(e, x, y, epochs=1), x, y, recipe="layerwise", epochs=1, seed=1
    ),
    "sweep": lambda e, x, y: eb.foundation_probe_sweep(e, x, y, lr=[0.1], epochs=1).classifier,
    "regressor": lambda e, x, y: eb.foundation_fit_regressor(e, x, x.mean(axis=(1, 2, 3)), **QUICK),
    "multi-label": lambda e, x, y: eb.foundation_fit_multilabel(e, x, [[v] for v in y], **QUICK),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
def test_it_is_fitted_saved_and_read_again(name, fit, x, y):
    encoder = small_encoder(name, 4)
    fitted = fit(encoder, x, y)
    assert type(fitted.encoder) is type(encoder)
    assert fitted.feature_dim == encoder.feature_dim
    assert all(part.is_contiguous() for part in fitted.encoder.state_dict().values())
    twin = eb.FoundationFit.from_bytes(fitted.to_bytes())
    predicted = fitted.predict(x)
    assert np.array_equal(twin.predict(x), predicted)
    assert len(predicted) == len(x)


@pytest.mark.parametrize("name", NAMES)
def test_its_module_gives_what_the_fit_predicts(name, x, y):
    fitted = quick(small_encoder(name, 4), x, y, freeze_backbone=False)
    with torch.no_grad():
        logits = fitted.module()(torch.from_numpy(x.astype(np.float32)))
    assert_close(logits.softmax(dim=1).numpy(), fitted.predict_proba(x).astype(np.float32), 1e-4)
