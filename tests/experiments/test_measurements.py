"""Records of benchmarks that pages draw from: what they say, and what is asked for in vain."""

import pytest

from pairint.experiments.measurements import measurement


@pytest.mark.parametrize("name", ["engine_load", "peers", "polynomial_attention"])
def test_a_record_says_when_and_where_it_was_made(name):
    record = measurement(name)
    assert record["benchmark"] == name and record["date"] > "2026"
    assert record["environment"]["machine"]["cpu"] and record["environment"]["libraries"]["numpy"]
    assert record["load_at_start"] >= 0


def test_the_peers_are_measured_on_one_point_in_one_run():
    table = measurement("peers")["table"]
    seeds = measurement("peers")["options"]["seeds"]
    assert {"lbfgs, cold", "gauss-newton, cold", "SciPy, projected, own start"} <= set(table)
    assert all(len(row["each"]) == seeds and row["reached"] <= seeds for row in table.values())


def test_an_unknown_record_is_refused():
    known = "engine_load, peers, polynomial_attention"
    with pytest.raises(ValueError, match=f"name must be one of {known}; got 'tea'"):
        measurement("tea")


def test_nothing_was_lost_under_load():
    """What the page on results says of the engine: each way to break it was tried, its codes are known."""
    record = measurement("engine_load")
    rows = record["trials"]
    assert sum(row["cells"] for row in rows) > 3 * record["options"]["cells"]
    assert sum(row["cells"] == record["options"]["cells"] for row in rows) >= 3
    words = ("two processes", "Dask cluster", "scheduler", "SIGTERM", "Ctrl-C", "disk", "clock", "two runs")
    assert all(any(word in row["what"] for row in rows) for word in words)
    for row in rows:
        assert row["lost"] == row["damaged"] == row["other_numbers"] == 0, row["what"]
        assert row["disturbed"] > 0 or row["what"].startswith("nothing")
        assert set(row["exit_codes"]) <= {"0", "1", "3", "4", "130", "-1", "-9", "-15"}, row["what"]
