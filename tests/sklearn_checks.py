"""What scikit-learn's own checks say of an estimator, on tables and on patches."""

import warnings
from unittest import SkipTest

import numpy as np
import scipy.sparse
from sklearn.utils import estimator_checks

from edaphos_bridge.sklearn import FoundationClassifierEstimator, FoundationRegressorEstimator

CAN_BE_TOLD = hasattr(estimator_checks, "estimator_checks_generator")
"""From scikit-learn 1.6 on, an estimator may say that it takes no tables."""


class OfColumns:
    """Makes patches of one cell of the checks' tables: the estimator meets no tables."""

    def _training_data(self, X, y, **how):
        return super()._training_data(as_patches(X), y, **how)

    def _patches(self, X):
        return super()._patches(as_patches(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


class ClassifierOfColumns(OfColumns, FoundationClassifierEstimator):
    pass


class RegressorOfColumns(OfColumns, FoundationRegressorEstimator):
    pass


def as_patches(X):
    return X if scipy.sparse.issparse(X) else np.asarray(X)[..., None, None]


NO_COLUMNS = "patches have no columns to be counted"
OTHER_WORDS = "refused, with the words of this package and not with those that the check looks for"
LABELS = "labels are read as the verb reads them, which refuses these"
NOT_OF_PATCHES = {
    "check_n_features_in_after_fitting": NO_COLUMNS,
    "check_n_features_in": NO_COLUMNS,
    "check_complex_data": OTHER_WORDS,
    "check_estimators_empty_data_messages": OTHER_WORDS,
    "check_estimator_sparse_tag": OTHER_WORDS,
    "check_estimator_sparse_array": OTHER_WORDS,
    "check_estimator_sparse_matrix": OTHER_WORDS,
    "check_estimator_sparse_data": OTHER_WORDS,
    "check_fit2d_1sample": OTHER_WORDS,
    "check_fit2d_predict1d": OTHER_WORDS,
    "check_requires_y_none": OTHER_WORDS,
    "check_dtype_object": "patches of Python objects are refused",
}
"""Checks that cannot pass on patches, with the reason."""
NOT_OF_LABELS = {
    "check_classifiers_regression_target": OTHER_WORDS,
    "check_classifier_data_not_an_array": LABELS,
    "check_supervised_y_2d": LABELS,
}
"""The same of a classifier alone."""
OF_THE_LAST_BIT = {"check_methods_subset_invariance", "check_methods_sample_order_invariance"}
"""Checks that ask batches of other sizes for the same numbers within 1e-7, which is float32's last
bit: whether they pass depends on the processor."""


def outcomes(estimator):
    """What each check says, "" if it passes; those of the last bit are left out."""
    if CAN_BE_TOLD:
        checks = estimator_checks.estimator_checks_generator(estimator)
    else:
        checks = estimator_checks.check_estimator(estimator, generate_only=True)
    found = {}
    for one, check in checks:
        name = getattr(check, "func", check).__name__
        if name in OF_THE_LAST_BIT:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                check(one)
            except SkipTest:  # of other libraries that are not there
                continue
            except Exception as error:
                found[name] = f"{type(error).__name__}: {error}"
            else:
                found.setdefault(name, "")
    return found
