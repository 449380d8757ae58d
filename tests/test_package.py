"""What `import edaphos_bridge` gives, and what it leaves unloaded."""

from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import pytest

import edaphos_bridge


def test_importing_the_package_does_not_import_torch(fresh_python):
    code = "import sys, edaphos_bridge; print('torch' in sys.modules, 'rpy2' in sys.modules)"
    assert fresh_python(code).split() == ["False", "False"]


def test_errors_and_arguments_can_be_had_without_torch(fresh_python):
    code = "import sys, edaphos_bridge.errors, edaphos_bridge.basics.arguments"
    code += "; print('torch' in sys.modules)"
    assert fresh_python(code).split() == ["False"]


def test_using_the_core_imports_neither_rpy2_nor_a_plotting_or_learning_library(fresh_python):
    code = (
        "import sys; from edaphos_bridge import *; import edaphos_bridge.datasets;"
        "print([m for m in ('rpy2', 'sklearn', 'matplotlib') if m in sys.modules])"
    )
    assert fresh_python(code).strip() == "[]"


def test_every_public_name_resolves_and_is_listed():
    for name in edaphos_bridge.__all__:
        assert getattr(edaphos_bridge, name) is not None
        assert name in dir(edaphos_bridge)


def test_submodules_that_the_documentation_names_are_there_without_an_import_of_their_own(
    fresh_python,
):
    code = """
import sys, edaphos_bridge as eb
assert not {"torch", "numpy", "edaphos_bridge.errors"} & set(sys.modules)
assert {"datasets", "errors", "interop"} <= set(dir(eb))
print(len(eb.datasets.statlog_landsat().y), issubclass(eb.errors.InputError, ValueError))
print("rpy2" in sys.modules, callable(eb.interop.rpy2.install), "rpy2" in sys.modules)
"""
    assert fresh_python(code).split() == ["6435", "True", "False", "True", "True"]


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'foundation_moose'"):
        edaphos_bridge.foundation_moose  # noqa: B018


def test_the_version_is_that_of_the_distribution():
    assert edaphos_bridge.__version__ == version("edaphos-bridge")


def test_the_package_is_marked_as_typed():
    assert (files("edaphos_bridge") / "py.typed").is_file()


def test_no_message_names_the_package_to_pip_which_pypi_does_not_have_yet():
    sources = sorted(Path(edaphos_bridge.__file__).parent.rglob("*.py"))
    assert len(sources) > 50
    for path in sources:
        assert "pip install 'edaphos" not in path.read_text(encoding="utf-8"), path
