"""The pictures of the page on a real head, from tables of the shape that its experiments give."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Arc
from pictures import check_complete

from pairint.figures import real_head

SENTENCE = "One asks, one answers."
HEAD = {"layer": 2, "head": 5, "task": "exp", "rank": 32, "noise": 0.1, "n_samples": 64, "replicate": 0}


def weights():
    """A table in which each of the eight tokens looks at the next, true and learned."""
    n = len(real_head.words_of(SENTENCE))
    rows = [
        HEAD | {"kind": "weight", "i": i, "j": j, "x": 1.0 * (j == i + 1), "y": 1.0 * (j == i + 1)}
        for i in range(n)
        for j in range(n)
    ]
    return pd.DataFrame(rows)


def fits():
    rows = [
        HEAD
        | {"kind": "fit", "noise": noise, "n_samples": m, "n_tokens": 64.0 * m}
        | {"error": 1 / m, "in_sample": 0.5 / m, "law": 0.5 / m}
        for noise in (0.0, 0.1)
        for m in (16, 64)
    ]
    return pd.DataFrame(rows)


def test_words():
    assert real_head.words_of(SENTENCE) == ["[CLS]", "one", "asks", ",", "one", "answers", ".", "[SEP]"]


def test_a_sentence_has_an_arc_for_each_large_weight_on_either_side():
    figure = real_head.sentence_figure(weights(), SENTENCE, (2, 5), 64, 0.1)
    check_complete(figure)
    arcs = [patch for patch in figure.axes[0].patches if isinstance(patch, Arc)]
    assert len(arcs) == 2 * 5  # between the six tokens inside of the frame
    assert {text.get_text() for text in figure.axes[0].texts} == set(real_head.words_of(SENTENCE))


def test_a_sentence_must_be_that_of_the_table():
    with pytest.raises(ValueError, match="sentence must have the 8 tokens of the table, got 4"):
        real_head.sentence_figure(weights(), "One asks", (2, 5), 64, 0.1)


def test_recovery():
    check_complete(real_head.recovery_figure(fits()))


def test_scores_and_activations():
    u = np.linspace(-2, 3, 9)
    kinds = (("score", "exp"), ("curve", "spline"))
    rows = [HEAD | {"kind": kind, "task": task, "x": x, "y": x} for kind, task in kinds for x in u]
    # On a correlation of one half learned scores are four times as wide as their regression says.
    rows = [row | ({"x": row["x"] / 4} if row["kind"] == "curve" else {}) for row in rows]
    rows += [HEAD | {"kind": "fit", "task": "spline", "correlation": 0.5}]
    table = pd.DataFrame(rows)
    check_complete(real_head.scores_figure(table, 64, 0.1))
    figure = real_head.activation_figure(table)
    check_complete(figure)
    difference = figure.axes[1].lines[0].get_ydata()
    np.testing.assert_allclose(difference, 0, atol=1e-12)  # a straight logarithm of slope one


def test_coercivity():
    rows = [
        {"layer": layer, "head": head, "kind": kind, "held_out": 0.5 + 0.1 * head}
        | {"offset": 0.2, "places": 0.3, "ends": 0.1}
        for layer in range(2)
        for head in range(3)
        for kind in ("window", "inside", "part", "mixed")
    ]
    table = pd.DataFrame(rows)
    means = real_head.coercivity_means(pd.concat([table, table]))
    assert len(means) == 6 and set(means["window"].round(6)) == {0.5, 0.6, 0.7}
    check_complete(real_head.coercivity_figure(table))
