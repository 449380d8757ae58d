"""R embedded in Python by rpy2: a converter, and the R functions inside that R.

Importing this module starts R (rpy2 does) and activates nothing.

Examples
--------
Objects across, in rpy2's own way::

    from edaphos_bridge.interop.rpy2 import converter
    with converter.context():
        ro.globalenv["fit"] = fit          # a FoundationClassifier
        y = ro.r("factor(c('a', NA, 'b'))")  # a pandas.Categorical

R code that calls into this process's Python::

    from edaphos_bridge.interop.rpy2 import install
    install()
    ro.r("fit <- foundation_fit_classifier(encoder, x, y, epochs = 40)")
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edaphos_bridge.basics.interrupts import held

with held():
    import numpy as np
    import pandas as pd
    import torch
    from rpy2 import rinterface
    from rpy2 import robjects as ro
    from rpy2.rinterface import (
        NULL,
        BoolSexpVector,
        FloatSexpVector,
        IntSexpVector,
        ListSexpVector,
        StrSexpVector,
    )
    from rpy2.robjects import numpy2ri, pandas2ri
    from rpy2.robjects.conversion import Converter

    from edaphos_bridge.classifier import FoundationClassifier
    from edaphos_bridge.cross_validate import FoundationCrossValidation
    from edaphos_bridge.data.as_numpy import as_numpy
    from edaphos_bridge.data.tensors import tensor_as_numpy
    from edaphos_bridge.ensemble import FoundationEnsemble
    from edaphos_bridge.errors import InputError
    from edaphos_bridge.experiments.few_label_result import FoundationFewLabelExperiment
    from edaphos_bridge.interop.answers import answered
    from edaphos_bridge.interop.calls import CALLS
    from edaphos_bridge.interop.calls.applicability import applicability_fields
    from edaphos_bridge.interop.calls.classifiers import classifier_fields, sweep_fields
    from edaphos_bridge.interop.calls.comparisons import comparison_fields
    from edaphos_bridge.interop.calls.cross_validation import cross_validation_fields
    from edaphos_bridge.interop.calls.encoders import encoder_fields
    from edaphos_bridge.interop.calls.few_labels import few_label_fields
    from edaphos_bridge.interop.calls.interpretation import (
        attribution_fields,
        importance_fields,
        interpretation_fields,
        map_fields,
    )
    from edaphos_bridge.interop.calls.multi_labels import multilabel_fields
    from edaphos_bridge.interop.calls.pretraining import pretrain_fields
    from edaphos_bridge.interop.calls.regressors import regressor_fields
    from edaphos_bridge.interop.calls.segmenters import segmenter_fields
    from edaphos_bridge.interop.calls.values import NA_INTEGER, as_levels
    from edaphos_bridge.interop.rpy2_objects import FROM_R
    from edaphos_bridge.interop.rpy2_values import (
        array_to_r,
        dimensions,
        from_r,
        is_held,
        strings_to_r,
        to_r,
        view,
    )
    from edaphos_bridge.interpretation.attribution_result import FoundationAttribution
    from edaphos_bridge.interpretation.embedding_map import FoundationEmbeddingMap
    from edaphos_bridge.interpretation.importance import FoundationBandImportance
    from edaphos_bridge.interpretation.result import FoundationInterpretation
    from edaphos_bridge.interpretation.segmenter_comparison import FoundationSegmenterComparison
    from edaphos_bridge.maps.applicability import FoundationApplicability
    from edaphos_bridge.multi_label import FoundationMultiLabel
    from edaphos_bridge.pretrain.probe import Probe
    from edaphos_bridge.pretrain.result import FoundationPretrain
    from edaphos_bridge.probe_sweep import FoundationProbeSweep
    from edaphos_bridge.regressor import FoundationRegressor
    from edaphos_bridge.segmenter import FoundationSegmenter

# Files of the R package that only make sense with reticulate.
_RETICULATE_ONLY = {
    "available.R",
    "doctor-troubles.R",
    "doctor.R",
    "edaphosbridge-package.R",
    "find-python.R",
    "inspect-python.R",
    "install.R",
    "onload.R",
    "process.R",
    "python.R",
    "requirements.R",
}


def install(environment: Any = None) -> None:
    """Put the R functions of edaphosbridge into the embedded R.

    They are the R package's own functions; only their calls into Python stay in this process.
    Their S3 methods are registered.

    Parameters
    ----------
    environment : rpy2.robjects.Environment, optional
        Where the functions that the R package exports are assigned; R's global environment by
        default.
    """
    inside = _r_environment()
    target = ro.globalenv if environment is None else environment
    for name in set(exports()) & set(inside.keys()):
        target[name] = inside[name]


_environment: list[Any] = []


def _r_environment() -> Any:
    """Return the R environment with the package's functions, made at the first call."""
    if not _environment:
        new_env = rinterface.baseenv["new.env"]
        inside = new_env(parent=rinterface.globalenv)
        inside["python_call"] = python_call = _python_call_in_r()
        inside["python_holds"] = python_holds = rinterface.rternalize(is_held)
        ro_eval = rinterface.baseenv["eval"]
        parse = rinterface.baseenv["parse"]
        for source in [_TRANSPORT, *_r_sources()]:
            ro_eval(parse(text=StrSexpVector([source])), inside)
        functions = set(inside.keys())
        for package, generic, s3_class, method in methods():
            if method in functions:
                names = (package, generic, s3_class, method)
                inside["register_method"](*(StrSexpVector([name]) for name in names))
        # R would call a freed function if Python did not keep it.
        _environment.extend([inside, python_call, python_holds])
    return _environment[0]


# Takes the place of the R package's python.R.
_TRANSPORT = """
is_python_object <- function(x) inherits(x, "edaphosbridge_python_object")
is_dead_python_object <- function(x) is_python_object(x) && !python_holds(x$key)
register_method <- function(package, generic, class, method) {
  register <- function(...) {
    registerS3method(generic, class, get(method), envir = asNamespace(package))
  }
  if (package %in% loadedNamespaces()) {
    register()
  } else {
    setHook(packageEvent(package, "onLoad"), register)
  }
}
"""


# --- what the R package holds --------------------------------------------------------------


def _r_package() -> tuple[Path, Path]:
    """Return its folder of code and its NAMESPACE: in the wheel, else in the checkout."""
    inside = Path(__file__).parent / "r"
    if inside.is_dir():
        return inside, inside / "NAMESPACE"
    checkout = Path(__file__).parents[3] / "r-wrapper"
    return checkout / "R", checkout / "NAMESPACE"


def _r_sources() -> list[str]:
    """Return the code of the R package, but for what only makes sense with reticulate."""
    folder, _ = _r_package()
    files = sorted(path for path in folder.glob("*.R") if path.name not in _RETICULATE_ONLY)
    return [path.read_text(encoding="utf-8") for path in files]


def exports() -> list[str]:
    """Return the names that the R package exports."""
    return re.findall(r"^export\((.+)\)$", _namespace(), re.M)


def methods() -> list[tuple[str, str, str, str]]:
    """Return package, generic, class and function of each S3 method of the R package.

    A generic without a package is one of R's own; the namespace of stats sees them all.
    """
    found = []
    for declared in re.findall(r"^S3method\((.+)\)$", _namespace(), re.M):
        generic, s3_class, *function = declared.replace('"', "").split(",")
        package, _, name = generic.rpartition("::")
        method = function[0] if function else f"{name}.{s3_class}"
        found.append((package or "stats", name, s3_class, method))
    return found


def _namespace() -> str:
    _, namespace = _r_package()
    return namespace.read_text(encoding="utf-8")


def _python_call_in_r() -> Any:
    def python_call(name: Any, args: Any) -> Any:
        def call() -> Any:
            return CALLS[name[0]](*(from_r(item) for item in args))

        return to_r(answered(call)())

    return rinterface.rternalize(python_call)


# --- the converter -------------------------------------------------------------------------


def _make_converter() -> Converter:
    """Return rpy2's rules for NumPy and pandas with ours on top."""
    rules = ro.default_converter + numpy2ri.converter + pandas2ri.converter
    result = Converter("edaphos_bridge", template=rules)
    for vector_class in (BoolSexpVector, FloatSexpVector, IntSexpVector):
        result.rpy2py.register(vector_class, _patches_or(rules.rpy2py.dispatch(vector_class)))
    result.rpy2py.register(ListSexpVector, _object_or(rules.rpy2py.dispatch(ListSexpVector)))
    result.py2rpy.register(object, _numbers_or(rules.py2rpy.dispatch(object)))
    result.py2rpy.register(type(None), lambda value: NULL)
    result.py2rpy.register(np.ndarray, _array_or(rules.py2rpy.dispatch(np.ndarray)))
    result.py2rpy.register(torch.Tensor, lambda x: array_to_r(tensor_as_numpy(x, "tensor")))
    result.py2rpy.register(pd.Categorical, _factor_with(rules.py2rpy.dispatch(pd.Categorical)))
    for python_class, (constructor, fields) in _TO_R.items():
        result.py2rpy.register(python_class, _made_by(constructor, fields))
    result.py2rpy.register(torch.nn.Module, _module_to_r)
    result.py2rpy.register(Probe, to_r)  # R holds it, as a module of a user's own
    return result


def _patches_or(other: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if len(dimensions(value)) != 4:
            return other(value)
        array = view(value)
        if isinstance(value, FloatSexpVector):
            return array
        missing = array == NA_INTEGER
        if missing.any():
            return np.where(missing, np.nan, array)
        return array.astype(bool) if isinstance(value, BoolSexpVector) else array

    return convert


def _object_or(other: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        for r_class, build in FROM_R.items():
            if r_class in value.rclass:
                return build(dict(zip(value.names, value, strict=True)))
        return other(value)

    return convert


def _array_or(other: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        is_masked = isinstance(value, np.ma.MaskedArray)
        if value.dtype.kind in "biuf" and (value.ndim == 4 or is_masked):
            return array_to_r(value)
        if is_masked and value.dtype.kind in "UO":
            return strings_to_r(value)
        if is_masked and np.ma.is_masked(value):  # other rules would take the mask off
            raise InputError("value", "must not be masked in R", found=value.dtype)
        return other(value)

    return convert


def _numbers_or(other: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Read arrays of xarray, zarr, dask and h5py, which rpy2 does not; what is missing is NA."""

    def convert(value: Any) -> Any:
        dtype = None if isinstance(value, np.generic) else getattr(value, "dtype", None)
        if hasattr(value, "shape") and isinstance(dtype, np.dtype) and dtype.kind in "biuf":
            return array_to_r(as_numpy(value, "value", "an array of numbers"))
        return other(value)

    return convert


def _factor_with(other: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        return other(value.rename_categories(as_levels(value.categories)))

    return convert


def _made_by(constructor: str, fields: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: _r_environment()[constructor](to_r(fields(value)))


_TO_R: dict[type, tuple[str, Callable[[Any], Any]]] = {
    FoundationClassifier: ("from_classifier", classifier_fields),
    FoundationRegressor: ("from_regressor", regressor_fields),
    FoundationMultiLabel: ("from_multilabel", multilabel_fields),
    FoundationSegmenter: ("from_segmenter", segmenter_fields),
    FoundationEnsemble: ("from_ensemble", lambda ensemble: ensemble_fields(ensemble)),
    FoundationPretrain: ("from_pretrain", pretrain_fields),
    FoundationProbeSweep: ("from_probe_sweep", sweep_fields),
    # what a fit does: to look at in R, and not taken back
    FoundationInterpretation: ("from_interpretation", interpretation_fields),
    FoundationAttribution: ("from_attribution", attribution_fields),
    FoundationBandImportance: ("from_importance", importance_fields),
    FoundationEmbeddingMap: ("from_map", map_fields),
    FoundationFewLabelExperiment: ("from_few_labels", few_label_fields),
    FoundationApplicability: ("from_applicability", applicability_fields),
    FoundationSegmenterComparison: ("from_segmenter_comparison", comparison_fields),
    FoundationCrossValidation: ("from_cross_validation", cross_validation_fields),
}
"""R's constructor and the fields that it takes, for each class of Python."""


def ensemble_fields(ensemble: FoundationEnsemble) -> dict[str, Any]:
    """Return what R's constructor takes: the members in R, their task, and the lines to print."""
    members = [_made_by(*_TO_R[type(member)])(member) for member in ensemble.members]
    return {"members": members, "task": ensemble.task, "printed": ensemble.describe()}


def _module_to_r(module: torch.nn.Module) -> Any:
    fields = encoder_fields(module)
    return to_r(module) if fields is None else _r_environment()["from_encoder"](to_r(fields))


converter = _make_converter()
"""Rules for 4-D arrays, factors, encoders and classifiers on top of rpy2's for NumPy and pandas.

An R array ``(N, C, H, W)`` becomes a read-only NumPy view of R's memory (a float64 copy with NaN
where integers or logicals hold NA); a factor becomes a pandas Categorical with its order and
NA. Use ``converter.context()`` or rpy2's ``localconverter``.
"""
