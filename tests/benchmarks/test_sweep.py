"""The benchmarks of the engine: their verdicts, their exit status, their record; not their times."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from pairint.experiments import report

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmarks():
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module("sweep_efficiency"), importlib.import_module("sweep_overhead")
    sys.path.remove(str(FOLDER))
    for name in ("sweep_efficiency", "sweep_overhead"):
        del sys.modules[name]


def run(module, monkeypatch, tmp_path, *arguments):
    output = tmp_path / f"{module.__name__}.json"
    monkeypatch.setattr(sys, "argv", [module.__name__, "--output", str(output), *arguments])
    status = module.main()
    return status, json.loads(output.read_text())


def test_targets(benchmarks):
    efficiency, overhead = benchmarks
    assert efficiency.TARGETS == {"processes": 0.85, "Dask workers": 0.80}
    assert overhead.TARGET == 5.0
    assert efficiency.RESULTS.relative_to(FOLDER.parent).as_posix() == "pairint/experiments/measured"


@pytest.mark.parametrize(
    ("value", "relation", "met"),
    [(0.85, "at least", True), (0.849, "at least", False), (4.9, "at most", False), (0.8, "at most", True),
     (None, "at least", False), (None, "at most", False)],
)  # fmt: skip
def test_a_figure_is_held_to_its_target(benchmarks, value, relation, met):
    assert benchmarks[0].figure(value, 0.85, relation)["met"] is met


@pytest.mark.parametrize(
    ("together", "met"), [(0.58, True), (0.60, False), (0.30, False)], ids=["fine", "slow", "impossible"]
)
def test_efficiency(benchmarks, monkeypatch, tmp_path, capsys, together, met):
    """With the clock replaced: one core takes a second, the workers ``together``."""
    pytest.importorskip("distributed")
    module = benchmarks[0]

    def clock(subject, **options):
        return 1.0 if options == {"jobs": 1} else together

    monkeypatch.setattr(module, "timed", clock)
    monkeypatch.setattr(module.provenance, "load", lambda: 3.0)
    short = ["--cells", "2", "--seconds", "0.001"]
    status, record = run(module, monkeypatch, tmp_path, *short)
    assert status == 0
    assert record["met"] is met
    assert (record["figures"]["efficiency, 2 processes"]["value"] is None) is (together < 0.45)
    assert record["load_at_start"] == 3.0 and len(record["date"]) == 10
    assert record["environment"]["machine"]["cores"] >= 1
    assert "it was not idle" in capsys.readouterr().out
    assert run(module, monkeypatch, tmp_path, *short, "--check")[0] == int(not met)
    assert ("missed" in capsys.readouterr().out) is not met
    text = report.benchmarks_markdown(tmp_path)
    assert "| efficiency, 2 Dask workers |" in text and ("missed" in text) is not met


def test_overhead(benchmarks, monkeypatch, tmp_path):
    """Measured on a few cells; the verdict is made to fail by a target that nothing meets."""
    module = benchmarks[1]
    status, record = run(module, monkeypatch, tmp_path, "--cells", "3")
    assert status == 0
    assert set(record["figures"]) == {"overhead a cell, one process", "overhead a cell, two processes"}
    assert all(row["value"] > 0 and row["unit"] == " ms" for row in record["figures"].values())
    monkeypatch.setattr(module, "TARGET", 0.0)
    assert run(module, monkeypatch, tmp_path, "--cells", "3", "--check")[0] == 1
