"""The examples in docstrings say what they print."""

import doctest
import importlib
import pkgutil

import pytest

import pairint

MODULES = [info.name for info in pkgutil.walk_packages(pairint.__path__, "pairint.")]
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
