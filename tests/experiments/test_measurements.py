"""Records of benchmarks that pages draw from: what they say, and what is asked for in vain."""

import pytest

from pairint.experiments.measurements import measurement


@pytest.mark.parametrize("name", ["peers", "polynomial_attention", "random_problems"])
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


def test_every_random_problem_that_went_wrong_is_in_the_record():
    record = measurement("random_problems")
    total, wrong = record["total"], record["wrong"]
    assert 0 < total["with_data_enough"] <= total["problems"]
    assert sum(row["above"] for row in wrong) == total["above_of_all"]
    assert sum(row["trapped"] for row in wrong) == total["trapped_of_all"]
    silent = [
        row for row in wrong if not row["warned"] and (row["above"] or (row["far"] and not row["truth_far"]))
    ]
    assert len(silent) == total["silent_of_all"]


def test_an_unknown_record_is_refused():
    with pytest.raises(
        ValueError, match="name must be one of peers, polynomial_attention, random_problems; got 'tea'"
    ):
        measurement("tea")
