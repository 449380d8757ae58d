"""The examples in docstrings give what they say."""

import doctest
import importlib
import pkgutil

import pytest

import edaphos_bridge

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(edaphos_bridge.__path__, "edaphos_bridge.")
    if not module.name.startswith("edaphos_bridge.interop.rpy2")  # needs an R
)


def test_the_modules_with_examples_are_among_those_looked_at():
    assert "edaphos_bridge.classifier" in MODULES
    assert "edaphos_bridge.encoders.foundation" in MODULES


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_the_main_functions_have_an_example():
    for name in ("foundation_fit_classifier", "foundation_encoder"):
        assert doctest.DocTestFinder().find(getattr(edaphos_bridge, name))[0].examples
