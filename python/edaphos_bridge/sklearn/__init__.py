"""The verbs as estimators of scikit-learn: for its pipelines, splits, searches and scores.

They need the package scikit-learn: ``pip install scikit-learn``.
"""

from edaphos_bridge.basics.interrupts import held

try:
    with held():
        import sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        "Estimators need the package scikit-learn. Install it with `pip install scikit-learn`."
    ) from error

from edaphos_bridge.sklearn.classifier import FoundationClassifierEstimator
from edaphos_bridge.sklearn.regressor import FoundationRegressorEstimator

__all__ = ["FoundationClassifierEstimator", "FoundationRegressorEstimator"]
