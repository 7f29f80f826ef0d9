"""The setting of a theorem: checked once, by name; a value like a number."""

import math
from dataclasses import FrozenInstanceError, fields, replace
from importlib import import_module
from inspect import isfunction, signature
from pkgutil import iter_modules

import numpy as np
import pytest

import pairint.theory
from pairint.theory import (
    Setting,
    adaptive_upper_bound,
    diagram_lines,
    elbow_numbers,
    elbow_samples,
    lower_bound,
    minimax_exponent,
    oracle_inequality,
    oracle_upper_bound,
    split_upper_bound,
    upper,
    upper_bound,
)
from pairint.theory.bumps import BumpFamily
from pairint.theory.lower import gaussian_kl
from pairint.theory.lower_matrix import linear_range, matrix_lower_bound, wave_lower_bound
from pairint.theory.splitting import modulus

GOOD = dict(
    beta=2.0, n_tokens=3, noise_std=0.5, holder_constant=1.5, d=5, rank=2, score_bound=3.0, sup_bound=1.0
)


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("beta", 0.0, ValueError),
        ("beta", math.nan, ValueError),
        ("beta", "2", TypeError),
        ("n_tokens", 1, ValueError),
        ("n_tokens", 2.5, TypeError),
        ("noise_std", -0.1, ValueError),
        ("holder_constant", 0.0, ValueError),
        ("d", 0, ValueError),
        ("rank", 0, ValueError),
        ("rank", 6, ValueError),
        ("score_bound", math.inf, ValueError),
        ("sup_bound", 0.0, ValueError),
        ("sup_bound", math.nan, ValueError),
        ("sup_bound", None, TypeError),
    ],
)
def test_what_cannot_be_is_refused_by_name(name, value, kind):
    for make in (lambda: Setting(**GOOD | {name: value}), lambda: replace(Setting(**GOOD), **{name: value})):
        with pytest.raises(kind, match=f"^{name} must be"):
            make()


def test_every_parameter_is_checked():
    names = {field.name for field in fields(Setting)}
    assert names == set(GOOD)
    for name in names:
        with pytest.raises((TypeError, ValueError), match=f"^{name} must be"):
            Setting(**GOOD | {name: -1})


def test_it_is_a_value():
    setting = Setting(**GOOD)
    assert setting == Setting(**GOOD) and hash(setting) == hash(Setting(**GOOD))
    assert setting != replace(setting, d=6)
    assert Setting(**GOOD | {"beta": np.float32(2), "d": np.int8(5)}) == setting
    with pytest.raises(FrozenInstanceError):
        setting.beta = 3.0
    with pytest.raises(TypeError):
        Setting(2.0, 3, 0.5)  # never by position


def test_what_follows_from_it():
    setting = Setting(**GOOD)
    assert setting.exponent == minimax_exponent(2.0) == 0.8
    assert (setting.degree, setting.n_matrix) == (1, 2 * (10 - 2))
    assert setting.optimal_intervals(10_000) == math.floor((10_000 / math.log(10_000)) ** 0.2)
    assert setting.best_budget(1000) == setting.budget(1000, setting.best_intervals(1000))


#: What no rate and no bound can do without.
LEAST = dict(beta=2.0, n_tokens=3, noise_std=0.5, holder_constant=1.5)


@pytest.mark.parametrize("name", LEAST)
def test_nothing_that_every_bound_depends_on_has_a_default(name):
    with pytest.raises(TypeError, match=name):
        Setting(**{key: value for key, value in LEAST.items() if key != name})


def test_what_is_not_given_is_not_guessed():
    least = Setting(**LEAST)
    assert (least.d, least.rank, least.score_bound, least.sup_bound) == (None, None, None, math.inf)
    with pytest.raises(ValueError, match="rank must be >= 1"):
        Setting(**LEAST, rank=0)
    assert Setting(**LEAST, rank=7).rank == 7  # nothing to compare it with


def density(u):
    return np.full_like(u, 1 / 6)


BOUND = upper_bound(1000, Setting(**GOOD), n_intervals=4)
EDGES = dict(interval=(0.0, 1.0), density=0.1)

#: Everything that takes a setting: what it needs of it beyond LEAST, and the call.
NEEDS = {
    "exponent": ("", lambda s: s.exponent),
    "degree": ("", lambda s: s.degree),
    "n_matrix": ("d rank", lambda s: s.n_matrix),
    "budget": ("d rank score_bound", lambda s: s.budget(1000, 5)),
    "budget, matrix known": ("score_bound", lambda s: s.budget(1000, 5, matrix_known=True)),
    "best_intervals": ("score_bound", lambda s: s.best_intervals(1000)),
    "best_budget": ("d rank score_bound", lambda s: s.best_budget(1000)),
    "best_budget, matrix known": ("score_bound", lambda s: s.best_budget(1000, matrix_known=True)),
    "optimal_intervals": ("", lambda s: s.optimal_intervals(1000)),
    "samples_for_error": ("d rank score_bound", lambda s: s.samples_for_error(0.01)),
    "require_matrix": ("d rank", lambda s: s.require_matrix("this")),
    "require_score_bound": ("score_bound", lambda s: s.require_score_bound("this")),
    "require_noise": ("", lambda s: s.require_noise()),
    "require_sup_bound": ("sup_bound", lambda s: s.require_sup_bound("this")),
    "upper_bound": ("d rank score_bound sup_bound", lambda s: upper_bound(1000, s, n_intervals=4)),
    "split_upper_bound": (
        "d rank score_bound sup_bound",
        lambda s: split_upper_bound(1000, s, density=density, n_intervals=4),
    ),
    "adaptive_upper_bound": ("d rank score_bound sup_bound", lambda s: adaptive_upper_bound(1000, s)),
    "oracle_inequality": ("", lambda s: oracle_inequality(1000, s, risk=0.1, log_cover=5.0, envelope=2.0)),
    "modulus": ("score_bound sup_bound", lambda s: modulus(0.1, s)),
    "elbow_samples": ("score_bound", lambda s: elbow_samples(9.0, s)),
    "elbow_numbers": ("score_bound", lambda s: elbow_numbers(900.0, s)),
    "diagram_lines": ("score_bound", lambda s: diagram_lines(5, 2, s)),
    "linear_range": ("", linear_range),
    "matrix_lower_bound": ("d rank", lambda s: matrix_lower_bound(1000, s, token_bound=4.0)),
    "wave_lower_bound": (
        "d rank score_bound",
        lambda s: wave_lower_bound(1000, s, token_bound=4.0, variation=1.0),
    ),
    "exponential_constants": ("", lambda s: upper.exponential_constants(0.5, 2.0, s)),
    "losses": ("d rank", lambda s: upper.losses(BOUND, s)),
    "plain_upper_bound": ("d rank sup_bound", lambda s: upper.plain_upper_bound(BOUND, 1000, s)),
    "truncation_price": ("", lambda s: upper.truncation_price(1000, s, envelope=2.0)),
    "oracle_upper_bound": (
        "score_bound sup_bound",
        lambda s: oracle_upper_bound(1000, s, density=density, n_intervals=4),
    ),
    "gaussian_kl": ("", lambda s: gaussian_kl(1000, s, 0.1)),
    "lower_bound": ("", lambda s: lower_bound(1000, s, **EDGES)),
    "lower_bound, other noise": ("", lambda s: lower_bound(1000, s, **EDGES, curvature=4.0)),
}


@pytest.mark.parametrize("call", NEEDS)
def test_what_a_call_needs_it_asks_for_and_nothing_else(call):
    needed, run = NEEDS[call]
    needed = needed.split()
    enough = Setting(**LEAST, **{name: GOOD[name] for name in needed})
    assert run(enough) is not None
    for name in needed:
        without = {"d": None, "rank": None, "score_bound": None, "sup_bound": math.inf}[name]
        with pytest.raises(ValueError, match=rf"^{name} must be (given|finite) for .*{name}=\.\.\."):
            run(replace(enough, **{name: without}))


@pytest.mark.parametrize("call", NEEDS)
def test_what_a_call_does_not_need_does_not_change_it(call):
    needed, run = NEEDS[call]
    other = {"d": 7, "rank": 3, "score_bound": 11.0}
    changed = {name: value for name, value in other.items() if name not in needed.split()}
    assert str(run(Setting(**GOOD))) == str(run(replace(Setting(**GOOD), **changed)))


def modules():
    return [import_module(f"pairint.theory.{m.name}") for m in iter_modules(pairint.theory.__path__)]


def test_every_method_and_every_bound_is_tried():
    """A new method, or a function that takes a setting, must say what it needs."""
    takes = {name for name, value in vars(Setting).items() if not name.startswith("_")} - set(GOOD)
    for module in modules():
        for name in module.__all__:
            function = getattr(module, name)
            if isfunction(function) and "setting" in signature(function).parameters:
                takes.add(name)
    assert {call.split(",")[0] for call in NEEDS} == takes


def test_numbers_do_not_travel_by_position():
    """At most two numbers in a row can be told apart: the others are named, or come in a setting."""
    for module in modules():
        for name in module.__all__:
            if isfunction(function := getattr(module, name)):
                numbers = [
                    p.name
                    for p in signature(function).parameters.values()
                    if p.kind is p.POSITIONAL_OR_KEYWORD
                    and str(p.annotation).removesuffix(" | None") in ("int", "float")
                ]
                assert len(numbers) <= 2, f"{name} takes {', '.join(numbers)} by position"
    with pytest.raises(TypeError, match="positional argument"):
        BumpFamily(1.0, 1.0, 4, (0.2, 2.4))


def test_two_missing_values_are_named_together():
    with pytest.raises(ValueError, match=r"^d and rank must be given for the error budget: "):
        Setting(**LEAST, score_bound=1.0).budget(1000, 5)


def test_a_known_matrix_costs_nothing():
    setting = Setting(**GOOD)
    for known, learned in (
        (setting.budget(1000, 5, matrix_known=True), setting.budget(1000, 5)),
        (setting.best_budget(1000, matrix_known=True), setting.best_budget(1000)),
    ):
        assert (known.bias, known.variance) == (learned.bias, learned.variance)
        assert known.parametric == 0 < learned.parametric
