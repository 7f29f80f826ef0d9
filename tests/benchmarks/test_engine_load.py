"""The table of broken runs would show a loss: each kind of it is made by hand here."""

import json
import random
import sys
from collections import Counter
from pathlib import Path

import pytest

from pairint.engine import sweep
from pairint.engine.store import CellStore

FOLDER = str(Path(__file__).resolve().parents[2] / "benchmarks")
sys.path.insert(0, FOLDER)
engine_load = pytest.importorskip("engine_load", reason="it limits the size of files, which takes POSIX")
sys.path.remove(FOLDER)  # a tool and a benchmark share a name


@pytest.fixture
def trial(tmp_path):
    made = engine_load.Trial(6, 0.0, tmp_path / "trial", random.Random(0))
    subject = engine_load.experiment(6, 0.0, str(made.log))
    sweep.execute(subject, out=made.out)
    made.codes[0] += 1
    return made


def first_cell(trial):
    return sorted((trial.out / engine_load.NAME / "cells").glob("*.json"))[0]


def losses(trial):
    row = engine_load.look(trial)
    assert row.pop("exit_codes") == {"0": 1} and row.pop("cells") == 6 and row.pop("disturbed") == 0
    return {name: count for name, count in row.items() if count}


def test_a_run_that_nothing_broke_has_lost_nothing(trial):
    assert losses(trial) == {}


def test_a_cell_that_is_gone_is_lost(trial):
    first_cell(trial).unlink()
    assert losses(trial) == {"lost": 1}


def test_a_cell_that_is_cut_off_is_damaged(trial):
    path = first_cell(trial)
    path.write_bytes(path.read_bytes()[:-10])
    assert losses(trial) == {"damaged": 1}


def test_a_cell_with_another_number_is_seen_whatever_its_checksum(trial):
    record = json.loads(first_cell(trial).read_text(encoding="utf-8"))
    store = CellStore(trial.out / engine_load.NAME, engine_load.NAME, 1)
    result = {name: record[name] for name in ("seconds", "finished", "environment")}
    store.write(record["cell"], {"rows": [{"estimator": "mean", "error": 1.0}], **result})
    assert losses(trial) == {"other_numbers": 1}


def test_work_that_is_done_twice_and_files_that_lie_about_are_counted(trial):
    sweep.execute(engine_load.experiment(6, 0.0, str(trial.log)), overrides={"replicates": 2})
    (trial.out / engine_load.NAME / "cells" / ".a.json.1.tmp").touch()
    assert losses(trial) == {"computed_again": 2, "left_behind": 1}


@pytest.mark.parametrize(
    ("change", "bad"),
    [
        ({}, False),
        ({"computed_again": 7}, False),  # what a killed worker did is done again, as documented
        ({"lost": 1}, True),
        ({"damaged": 1}, True),
        ({"other_numbers": 1}, True),
        ({"exit_codes": {"0": 1, "1": 1}}, True),
        ({"exit_codes": {"-999": 1}}, True),
    ],
)
def test_what_counts_as_wrong(change, bad):
    row = {"lost": 0, "damaged": 0, "other_numbers": 0, "exit_codes": {"0": 2, "3": 1}, **change}
    assert engine_load.wrong(row, frozenset({0, 3})) is bad


@pytest.mark.slow
def test_a_run_that_is_killed_loses_nothing(tmp_path):
    """One real trial, small."""
    trial = engine_load.Trial(20, 0.05, tmp_path / "trial", random.Random(0))
    engine_load.stopped(engine_load.signal.SIGKILL)(trial, 1)
    assert trial.disturbed == 1 and trial.codes == Counter({-9: 1, 0: 1})
    row = engine_load.look(trial)
    assert row["lost"] == row["damaged"] == row["other_numbers"] == 0
