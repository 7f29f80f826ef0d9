"""The benchmark's verdict: what counts as a missed target."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="module")
def benchmark():
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "explorers.py"
    spec = importlib.util.spec_from_file_location("explorers_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GOOD = {"shown_ms_q95": 50.0, "kB_gzip": 59.9}


def test_targets_are_those_of_the_reader(benchmark):
    assert benchmark.TARGETS == {"shown_ms_q95": 50.0, "kB_gzip": 60.0}
    assert benchmark.missed({"rate": GOOD}) == []


@pytest.mark.parametrize(
    ("key", "value"), [("shown_ms_q95", 50.1), ("kB_gzip", 61), ("kB_gzip", float("nan"))]
)
def test_a_missed_target_is_named(benchmark, key, value):
    (failure,) = benchmark.missed({"aim": GOOD, "rate": GOOD | {key: value}})
    assert failure.startswith(f"rate: {key} is")


@pytest.mark.slow
def test_output_and_exit_status(benchmark, monkeypatch, tmp_path, capsys):
    """With the browser and the clock replaced: a slow figure is reported, and fails only when asked to."""
    playwright = pytest.importorskip("playwright.sync_api")

    class Anything:
        version = "0"

        def __getattr__(self, name):
            return lambda *arguments, **options: Anything()

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        chromium = property(lambda self: self)

    monkeypatch.setattr(playwright, "sync_playwright", Anything)
    monkeypatch.setattr(benchmark.pairint.explorers, "__all__", ["RateExplorer"])
    monkeypatch.setattr("pairint.explorers.kit.explorer.Explorer.picture", lambda self: "data:,")
    times = {"work": np.full(20, 1.0), "shown": np.full(20, 30.0)}
    monkeypatch.setattr(benchmark, "measure", lambda page, selector, n_moves: times)
    output = tmp_path / "new" / "explorers.json"
    monkeypatch.setattr(sys, "argv", ["explorers.py", "--output", str(output), "--check"])
    assert benchmark.main() == 0
    record = json.loads(output.read_text())
    assert record["met"]
    assert record["figures"]["rate"]["shown_ms_q95"] == 30
    times["shown"] += 21
    assert benchmark.main() == 1
    assert not json.loads(output.read_text())["met"]
    assert "missed: rate: shown_ms_q95 is 51" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["explorers.py", "--output", str(output)])
    assert benchmark.main() == 0
