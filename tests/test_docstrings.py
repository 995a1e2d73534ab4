"""What the kit offers explains itself."""

import inspect
import pkgutil
from importlib import import_module

import pytest

import instrumentation
from instrumentation import testing

MODULES = [module.name for module in pkgutil.walk_packages(instrumentation.__path__, "instrumentation.")]


@pytest.mark.parametrize("package", [instrumentation, testing], ids=lambda package: package.__name__)
def test_every_public_name_has_a_docstring(package):
    """Each name in `__all__` exists and has a docstring of its own, so has each public method and property."""
    names = {name: getattr(package, name) for name in package.__all__}
    assert {name: thing for name, thing in names.items() if not thing.__doc__} == {}
    assert [f"{name}.{member}" for name, thing in names.items() for member in undocumented(thing)] == []


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_a_docstring(name):
    """Each module, and each public function, class and method that it defines, has a docstring."""
    module = import_module(name)
    own = {
        key: thing
        for key, thing in vars(module).items()
        if not key.startswith("_")
        and (inspect.isfunction(thing) or inspect.isclass(thing))
        and thing.__module__ == name
    }
    assert module.__doc__
    assert [key for key, thing in own.items() if not thing.__doc__] == []
    assert [f"{key}.{member}" for key, thing in own.items() for member in undocumented(thing)] == []


def undocumented(thing):
    """Return the public methods and properties of a class that have no docstring, inherited ones included."""
    if not inspect.isclass(thing):
        return []
    methods = [key for key, value in vars(thing).items() if not key.startswith("_") and is_method(value)]
    return [key for key in methods if not inspect.getdoc(getattr(thing, key))]


def is_method(value):
    return isinstance(value, property) or inspect.isfunction(getattr(value, "__func__", value))
