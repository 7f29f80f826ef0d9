"""The numbers of the text that follow the reader's setting, without a browser."""

import re

import numpy as np
import pytest

import pairint.explorers
import pairint.explorers.small
from pairint.explorers.kit import bundle
from pairint.explorers.kit.panels import short
from pairint.explorers.setting import FIXED, PARAMETERS, QUANTITIES, computed, quantity, script


def test_on_paper_stand_the_numbers_of_the_book():
    assert computed("d") == "30"
    assert computed("parameters") == "59"  # 2d - 1
    assert computed("exponent") == "0.8"
    assert computed("needed") == short(quantity("needed"))


@pytest.mark.parametrize("beta, d", [(0.5, 3), (2.0, 30), (4.0, 1000)])
def test_the_curve_costs_more_than_the_matrix_from_the_crossing_on(beta, d):
    crossing = quantity("crossing", beta=beta, d=d)
    for m in np.unique(np.geomspace(100, 10**10, 30).round().astype(int)):
        at = {"beta": beta, "d": d, "samples": int(m)}
        assert (quantity("curve", **at) >= quantity("matrix", **at)) == (m >= crossing)
        assert quantity("total", **at) == pytest.approx(quantity("curve", **at) + quantity("matrix", **at))


def test_the_error_asked_for_is_reached_where_it_is_said_and_not_before():
    needed = quantity("needed", d=100)
    assert (
        quantity("total", d=100, samples=needed)
        <= FIXED["error"]
        < quantity("total", d=100, samples=needed - 1)
    )


@pytest.mark.parametrize(
    "name, values, message",
    [
        ("depth", {}, "name must be one of"),
        ("needed", {"rank": 2}, "parameter must be one of"),
        ("needed", {"beta": 9.0}, "beta"),
        ("needed", {"d": 2.5}, "d must be an integer"),
    ],
)
def test_what_is_not_there_is_refused_by_name(name, values, message):
    with pytest.raises((TypeError, ValueError), match=message):
        quantity(name, **values)


FIGURES = [
    getattr(package, name)
    for package in (pairint.explorers, pairint.explorers.small)
    for name in package.__all__
]


@pytest.mark.parametrize(
    "module", ["setting.js", *(f"small/{f.name}.js" if f.compact else f"{f.name}.js" for f in FIGURES)]
)
def test_modules_that_are_joined_declare_every_name_once(module):
    names = [
        name
        for source in bundle.sources(module)
        for name in re.findall(
            r"^(?:export )?(?:async )?(?:function|const|let) (\w+)",
            bundle.read_source(source),
            flags=re.MULTILINE,
        )
    ]
    assert len(names) == len(set(names)), [name for name in set(names) if names.count(name) > 1]


def test_the_script_is_alone():
    text = script()
    assert not re.search(r"^(import|export) ", text, flags=re.MULTILINE)
    assert {p.key for p in PARAMETERS} | set(QUANTITIES) <= set(re.findall(r"\w+", text))
