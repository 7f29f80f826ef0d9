"""The examples in docstrings say what they print."""

import doctest
import importlib
import pkgutil

import pytest

import pairint
from pairint.backend import usable_compiler

#: What Numba compiles cannot be imported where it is not.
MODULES = [
    info.name
    for info in pkgutil.walk_packages(pairint.__path__, "pairint.")
    if info.name != "pairint.kernels.loops" or usable_compiler()[0]
]
FOUND = [
    example
    for name in MODULES
    for example in doctest.DocTestFinder().find(importlib.import_module(name), name)
    if example.examples
]


@pytest.mark.parametrize("example", FOUND, ids=lambda example: example.name)
def test_example(example):
    outcome = doctest.DocTestRunner().run(example)
    assert outcome.attempted and not outcome.failed
