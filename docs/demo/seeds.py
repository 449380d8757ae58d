"""How much the demo's fine-tuning depends on its seed: ``.venv/bin/python docs/demo/seeds.py``."""

from __future__ import annotations

import numpy as np
from demo import Standardiser

from edaphos_bridge import foundation_encoder, foundation_fit_classifier
from edaphos_bridge.datasets import statlog_landsat


def main() -> None:
    """Print the test accuracy for seeds 1 to 10, of encoder and fit alike."""
    data = statlog_landsat()
    standardise = Standardiser(data.x[data.train])
    x, y = standardise(data.x), np.asarray(data.y)
    accuracies = []
    for seed in range(1, 11):
        encoder = foundation_encoder("moco", in_channels=4, seed=seed)
        fit = foundation_fit_classifier(
            encoder,
            x[data.train],
            data.y[data.train],
            freeze_backbone=False,
            epochs=30,
            batch_size=64,
            lr=1e-3,
            backbone_lr_mult=0.1,
            val_split=0.2,
            seed=seed,
        )
        accuracies.append((np.asarray(fit.predict(x[~data.train])) == y[~data.train]).mean())
        print(f"seed {seed:2d}: {accuracies[-1]:.3f}", flush=True)
    print(f"lowest {min(accuracies):.3f}, highest {max(accuracies):.3f}")


if __name__ == "__main__":
    main()
