"""Every published sample ratio: which cells there are, what is made of their rows, and refusals."""

import numpy as np
import pandas as pd
import pytest

from pairint import experiments
from pairint.aim.state_evolution import exact_recovery_threshold
from pairint.experiments.aim.every_alpha import cells, descent_ratios

EXPERIMENT = experiments.get("aim_every_alpha")


def test_the_full_run_has_every_published_sample_ratio():
    """Twenty-two steps of a geometric grid at most, from a later one for wider layers; the last is 2.714."""
    found = pd.DataFrame(cells(EXPERIMENT.presets["full"]))
    hard = found[found["channel"] == "hardmax"].groupby("rho")["alpha"]
    assert hard.nunique().to_dict() == {0.1: 22, 0.2: 21, 0.5: 20, 1.0: 18, 2.0: 15}
    step = (8 / 0.03) ** (1 / 31)
    for _, alphas in hard:
        np.testing.assert_allclose(np.diff(np.log(alphas)), np.log(step), rtol=1e-4)
        assert alphas.max() == pytest.approx(0.03 * step**25, rel=1e-5)
    soft = found[(found["channel"] == "softmax") & (found["method"] == "amp")].groupby("n_tokens")["alpha"]
    assert soft.nunique().to_dict() == {2: 15, 3: 8, 4: 5}
    descents = found[found["method"] == "gd"]["alpha"]
    assert (len(descents), descents.min(), descents.max()) == (32, 0.0012, 0.3)


def made_up(one, many, runs=8):
    """Descents at three sample ratios whose errors are known multiples of a Bayes-optimal error of 0.5."""
    rows = []
    for replicate in range(3):
        for fraction in (0.1, 0.4, 0.7):
            alpha = fraction * (1 + 1 / 30) * exact_recovery_threshold(0.5)
            common = {
                "channel": "softmax",
                "method": "gd",
                "n_tokens": 2,
                "rho": 0.5,
                "alpha": alpha,
                "d": 30,
            }
            common |= {"n_runs": runs, "replicate": replicate, "bayes_finite": 0.5, "converged": True}
            common |= {"scale_error": 0.0}
            mean = many + (one - many) / runs
            rows.append(common | {"estimator": "gd", "error": 0.5 * one})
            rows.append(common | {"estimator": "averaged gd", "error": 0.5 * mean})
    return pd.DataFrame(rows)


def test_runs_are_carried_on_to_infinitely_many():
    found = descent_ratios(made_up(2.3, 1.2))
    np.testing.assert_allclose(found["one_run"], 1.15)
    np.testing.assert_allclose(found["infinitely_many"], 0.6)
    np.testing.assert_allclose(found["spread"], 0.55)
    np.testing.assert_allclose(sorted(set(found["fraction"].round(9))), [0.1, 0.4, 0.7])


@pytest.mark.parametrize(("one", "many", "verdict"), [(2.0, 1.0, "agrees"), (2.6, 1.3, "differs")])
def test_verdicts_follow_the_numbers(one, many, verdict):
    claims = EXPERIMENT.claims(made_up(one, many))
    assert len(claims) == 6  # one run and infinitely many, in three bands
    assert {claim.theory_verdict for claim in claims} == {verdict}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "newton"}, "method must be"),
        ({"method": "gd", "n_runs": 1}, "n_runs must be"),
        ({"alphas": [0.1, 0.0]}, "alphas must be"),
        ({"rho": 0.0}, "rho must be"),
        ({"channel": "relu"}, "channel must be"),
        ({"replicates": 0}, "replicates must be"),
    ],
)
def test_settings_out_of_range_are_named(change, message):
    line = EXPERIMENT.presets["quick"]["series"][0] | change
    with pytest.raises(ValueError, match=message):
        cells({"series": [line]})
