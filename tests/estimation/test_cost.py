"""The operations of a step, and their prices found in its times."""

import numpy as np

from pairint.estimation.cost import operations, point_of, priced

POINT = {"M": 1000, "N": 3, "d": 30, "r": 2, "K": 15}
PRICES = np.array([0.1, 0.4, 0.2, 0.05, 0.3, 60.0])
ROWS = [
    {"changed": name, "value": value}
    for name, values in {
        "M": [300, 1000, 9000],
        "N": [3, 8, 100],
        "d": [8, 30, 300],
        "r": [1, 2, 16],
        "K": [8, 15, 90],
    }.items()
    for value in values
]


def test_the_count_of_a_row():
    # 19 columns: two partners of four entries fill less than half of a row, and are multiplied one by one.
    assert operations({**POINT, "d": 10}).tolist() == [720_000, 480_000, 0, 0, 90_000, 3000]
    found = operations({**POINT, "K": 11})
    assert found.tolist() == [2_160_000, 288_000, 0, 675_000, 270_000, 3000]
    # With more tokens a sample there are fewer samples.
    assert operations(point_of({"changed": "N", "value": 30}, POINT)).tolist() == [
        2_160_000,
        0,
        4_176_000,
        1_083_000,
        270_000,
        3000,
    ]


def test_prices_are_found_again():
    rows = [row | {"step_ms": 1e-6 * float(operations(point_of(row, POINT)) @ PRICES)} for row in ROWS]
    prices, predicted = priced(rows, POINT)
    # 15 equations, 6 unknowns, condition number about 1e3: rounding only.
    np.testing.assert_allclose(prices, PRICES, rtol=1e-9)
    np.testing.assert_allclose(predicted, [row["step_ms"] for row in rows], rtol=1e-9)
