"""The pictures of the page on whole layers, from tables of the shape that its experiment gives."""

import numpy as np
import pandas as pd
from pictures import check_complete

from pairint.figures import whole_layer


def table():
    fit = {"kind": "fit", "law": 0.5}
    rows = [
        fit | {"task": "heads", "layer": layer, "head": head, "error": 2.0 + head, "in_sample": 0.5}
        for layer in range(2)
        for head in range(2)
    ]
    rows += [
        fit | {"task": task, "layer": 0, "head": 1, "n_samples": m, "error": 1 / m}
        for task in ("cold", "near")
        for m in (12, 24)
    ]
    return pd.DataFrame(rows)


def test_heads_stand_where_their_coercivity_is():
    places = pd.Series([0.4, 0.3, 0.2, 0.1], index=pd.MultiIndex.from_product([range(2), range(2)]))
    figure = whole_layer.heads_figure(table(), ("coercivity", places), ("weight", 2 * places))
    check_complete(figure)
    np.testing.assert_allclose(figure.axes[1].lines[0].get_xdata(), 2 * places)
    others, own = figure.axes[0].lines[:2]
    np.testing.assert_allclose(others.get_xdata(), places)
    np.testing.assert_allclose(others.get_ydata(), [4, 6, 4, 6])
    np.testing.assert_allclose(own.get_ydata(), 1)
    numbered = whole_layer.heads_figure(table())
    np.testing.assert_allclose(numbered.axes[0].lines[0].get_xdata(), [1, 2, 3, 4])


def test_fits_without_noise():
    figure = whole_layer.exact_figure(table(), 11.5)
    check_complete(figure)
    cold, near, threshold = figure.axes[0].lines
    assert cold.get_linestyle() == "-" and near.get_linestyle() == ":"
    assert set(threshold.get_xdata()) == {11.5}


def test_heads_far_above_the_law_are_named():
    fits = table()
    fits.loc[1, "error"] = 50.0
    names = [text.get_text() for text in whole_layer.heads_figure(fits).axes[0].texts]
    assert names == ["0.1"]
