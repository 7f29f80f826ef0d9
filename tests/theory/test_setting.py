"""The setting of a theorem: checked once, by name; a value like a number."""

import math
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest

from pairint.theory import Setting, minimax_exponent

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


def test_without_a_bound_of_the_activation_nothing_is_guessed():
    free = Setting(beta=2.0, n_tokens=3, noise_std=0.5)
    assert free.sup_bound == math.inf
    with pytest.raises(ValueError, match="sup_bound must be finite here"):
        free.require_sup_bound()
