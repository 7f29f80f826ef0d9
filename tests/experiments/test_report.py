"""The report: stored tables first, computed verdicts, nothing hidden."""

import dataclasses
import json
import math

import numpy as np
import pytest
from engine_demo import demo

import pairint
from pairint.engine import provenance, sweep
from pairint.engine.claims import Claim
from pairint.engine.progress import duration
from pairint.experiments import load_provenance, registry, report


@pytest.fixture
def only(monkeypatch):
    """Make the given experiments the only ones."""

    def use(*chosen):
        monkeypatch.setattr(registry, "MODULES", {})
        monkeypatch.setattr(registry, "_registered", {item.name: item for item in chosen})

    return use


def test_without_a_stored_table_the_quick_preset_is_run(only, tmp_path):
    only(demo())
    first, second = report.build(folder=tmp_path)
    assert first.data == "quick preset, computed now (nothing is stored)"
    assert first.claim.verdict == "reproduced"
    assert first.claim.command == "pairint run demo --preset quick"
    assert second.claim.verdict == "not published"
    assert first.claim.ours == pytest.approx(sweep.run(demo())["error"].mean())


def test_a_stored_table_is_used(only, tmp_path):
    only(demo(raises=__file__))  # running it would fail
    command = "pairint run demo --preset full --set beta=1 --store"
    sweep.execute(demo(), "full").store(tmp_path, command)
    first, _ = report.build(folder=tmp_path)
    assert first.data.startswith("stored table, preset full, 20")
    assert first.claim.command == command
    assert first.claim.ours == pytest.approx(sweep.run(demo(), "full")["error"].mean())


def test_a_table_of_another_version_is_not_used(only, tmp_path):
    sweep.execute(demo(), "full").store(tmp_path)
    only(demo(version=2))
    assert "stored by version 1, the experiment is at 2" in report.build(folder=tmp_path)[0].data
    (line,) = report.build(folder=tmp_path, run_missing=False)
    assert line.claim is None
    assert line.problem == "ResultsError: no table for 'demo': stored by version 1, the experiment is at 2"


def test_a_table_that_was_tampered_with_is_a_problem(only, tmp_path):
    only(demo())
    path = sweep.execute(demo()).store(tmp_path) / "table.csv"
    path.write_text(path.read_text().replace("1", "2", 1))
    (line,) = report.build(folder=tmp_path)
    assert "changed after it was written" in line.problem


def test_one_broken_experiment_does_not_hide_the_others(only, tmp_path):
    def broken(table):
        raise KeyError("slope")

    only(dataclasses.replace(demo(name="broken"), claims=broken), demo())
    lines = report.build(folder=tmp_path)
    assert [line.experiment for line in lines] == ["broken", "demo", "demo"]
    assert lines[0].problem == "KeyError: 'slope'"
    assert "Not computed: KeyError: 'slope'" in report.to_markdown(lines)
    assert json.loads(report.to_json(lines))["lines"][0]["verdict"] == "not computed"


LINES = [
    report.Line(
        "demo",
        Claim(
            "slope | P = 3", "Figure (b)", -0.8051234, (-0.82, -0.79), -0.81, -0.80, 0.03, command="pairint x"
        ),
        "stored table",
    ),
    report.Line(
        "demo", Claim("error", "Table 1", 1.23456e-4, None, None, 2e-4, relation="at most"), "stored table"
    ),
    report.Line("demo", Claim("width", "here", 1.0, (-math.inf, math.inf)), "stored table"),
]


def test_markdown(only):
    only(demo())
    text = report.to_markdown(LINES)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 5
    assert rows[2] == (
        "| slope \\| P = 3 | reproduced; agrees with theory "
        "| −0.8051 [−0.8200, −0.7900] | −0.81 | −0.8 | 0.03 | Figure (b) |"
    )
    assert "| agrees with theory | 0.0001235 | – | ≤ 0.0002 | 0 |" in rows[3]
    assert "| not published | 1 [−∞, ∞] | – | – | – |" in rows[4]
    assert rows[0].endswith("| Source |")
    assert "Regenerate: `pairint x`" in text
    assert "Data: stored table." in text


def test_one_source_needs_no_column(only):
    only(demo())
    text = report.to_markdown([LINES[1], LINES[1]])
    assert "Source" not in text
    assert "| error | agrees with theory | 0.0001235 | – | ≤ 0.0002 |" in text


def test_summary(only):
    assert report.summary([*LINES, report.Line("demo", None, "", "why")]) == {
        "reproduced; agrees with theory": 1,
        "agrees with theory": 1,
        "not published": 1,
        "not computed": 1,
    }


def test_verdicts_in_sentences():
    differs = report.Line("demo", Claim("width", "here", 2.0, (1.9, 2.1), None, 1.0, 0.1), "stored table")
    first, second = report.counted([*LINES, differs])
    assert first.startswith("4 numbers are compared: ") and "differs from theory (1)" in first
    assert second == "Width: ours 2.0 [1.9, 2.1]; theory 1, tolerance 0.1; differs from theory."
    assert report.counted([*LINES[:1]]) == ("One number is compared: reproduced and agrees with theory (1).",)
    many = report.counted([differs] * (report.FEW + 1))
    assert many == ("7 numbers are compared: differs from theory (7).",)
    assert "not computed (1)" in report.counted([report.Line("demo", None, "", "why")])[0]


def test_differences_come_first_and_tables_are_folded(only):
    calm, loud = demo(), dataclasses.replace(demo(), name="loud", title="A < B | C")
    only(calm, loud)
    wrong = Claim("width", "here", 2.0, (1.9, 2.1), None, 1.0, 0.1)
    lines = [
        *LINES,
        report.Line("demo", None, "", "no memory"),
        report.Line("loud", wrong, "stored table"),
        report.Line("loud", LINES[0].claim, ""),
    ]
    text = report.to_markdown(lines, folded=True)
    counted, *tables = text.split('<details class="folded-table">\n')
    header, _, *rows = counted.strip().splitlines()
    assert header == "| Experiment | not computed | differ | agree | not published |"
    # What could not be computed is graver than what differs.
    assert rows == [
        "| [A demonstration](#report-demo) | 1 |  | 2 | 1 |",
        "| [A < B \\| C](#report-loud) |  | 1 | 1 |  |",
    ]
    assert len(tables) == 2 == text.count("</details>")
    assert tables[0].startswith(
        "<summary>A demonstration: 4 lines, 1 not computed</summary>\n\n(report-demo)=\n"
    )
    assert tables[1].startswith("<summary>A &lt; B | C: 2 lines, 1 differs</summary>\n")
    assert tables[1].count("| **differs from theory** |") == 1 == text.count("| **")
    assert "none differs</summary>" in report.to_markdown(LINES[:1], folded=True)
    plain = report.to_markdown(LINES)
    assert "(report-" not in plain and "<details" not in plain and "| **" not in plain


def test_one_measurement_in_two_experiments_counts_once():
    """The same cells, the same number and interval: counted where it is compared with more."""
    alone = Claim("d = 5", "Figure (a)", -0.82, (-0.86, -0.79), expected=-0.8, tolerance=0.05)
    both = dataclasses.replace(alone, name="P = 3", published=-0.81)
    lines = [report.Line("dimension", alone, ""), report.Line("smoothness", both, "")]
    for order in (lines, lines[::-1]):
        assert report.summary(order) == {"reproduced; agrees with theory": 1}
    # Not the same: another interval, one number without a spread, two statements of one experiment.
    other = report.Line("smoothness", dataclasses.replace(both, interval=(-0.86, -0.78)), "")
    assert sum(report.summary([lines[0], other]).values()) == 2
    exact = [report.Line(name, Claim("x", "here", 0.0, (0.0, 0.0)), "") for name in ("a", "b")]
    assert sum(report.summary(exact).values()) == 2
    assert (
        sum(report.summary([lines[0], dataclasses.replace(lines[1], experiment="dimension")]).values()) == 2
    )


def test_stored_runs(only, tmp_path):
    only(demo())
    assert report.runs_markdown(tmp_path) == "No results are stored."
    sweep.execute(demo(), "full").store(tmp_path)
    row, empty, machine, software = report.runs_markdown(tmp_path).splitlines()[2:]
    assert row.startswith("| `demo` | full | 24 | ")
    assert empty == ""
    assert machine.startswith("- Machine: ")
    assert f"pairint {pairint.__version__}, " in software
    assert f"numpy {np.__version__}, " in software


@pytest.mark.slow
def test_presets(only, tmp_path):
    only(demo())
    (row,) = report.presets_markdown(tmp_path).splitlines()[2:]
    assert "| 8\u00a0cells, 0.1\u00a0s | 24\u00a0cells, 0.2\u00a0s |" in row
    sweep.execute(demo(seconds=0.05), "full").store(tmp_path)
    measured = load_provenance("demo", tmp_path)["computing_seconds"]
    (row,) = report.presets_markdown(tmp_path).splitlines()[2:]
    assert measured >= 1.2
    assert f"| 8 cells, 0.1 s | 24 cells, {duration(measured)} |" in row.replace("\u00a0", " ")


def test_measurements_of_the_engine(tmp_path):
    assert report.benchmarks_markdown(tmp_path) == "No measurement is recorded yet."
    figures = {
        "efficiency, 2 processes": {
            "value": 0.912, "unit": "", "target": 0.85, "relation": "at least", "met": True,
        },
        "overhead": {"value": None, "unit": " ms", "target": 5.0, "relation": "at most", "met": False},
    }  # fmt: skip
    record = {
        "figures": figures,
        "date": "2026-11-22",
        "load_at_start": 0.1,
        "environment": provenance.environment(),
    }
    (tmp_path / "sweep_efficiency.json").write_text(json.dumps(record))
    (tmp_path / "other.json").write_text("not ours")
    first, second, _, machine = report.benchmarks_markdown(tmp_path).splitlines()[2:]
    assert first == "| efficiency, 2 processes | 0.912 | at least 0.85 | met | 2026-11-22 | 0.1 |"
    assert second == "| overhead | – | at most 5 ms | missed | 2026-11-22 | 0.1 |"
    assert machine.startswith("- Machine: ")


def test_json_has_no_infinities(only):
    only(demo())
    data = json.loads(report.to_json(LINES), parse_constant=lambda word: pytest.fail(word))
    assert data["lines"][0]["ours"] == -0.8051234
    assert data["lines"][0]["verdict"] == "reproduced; agrees with theory"
    assert data["lines"][2]["interval"] == [None, None]


def test_text(only):
    lines = report.to_text([line.claim for line in LINES]).splitlines()
    assert len(lines) == 4
    assert lines[1].split("  ")[0] == "slope | P = 3"
    assert len({line.index(word) for line, word in zip(lines, ["verdict", "reproduced"], strict=False)}) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (math.nan, "–"), (0.0, "0"), (-0.81, "−0.81"), (12345.6, "1.235·10⁴"), (1e-10, "10⁻¹⁰"),
     (math.inf, "∞"), (-math.inf, "−∞"), (3, "3")],
)  # fmt: skip
def test_numbers(value, text):
    assert report.number(value) == text


def test_claims_as_a_table_of_a_page():
    first = Claim("slope, P = 3", "x", -0.81234, (-0.9, -0.7), published=-0.81, expected=-0.8, tolerance=0.05)
    second = Claim("other", "x", 1.0)
    table = report.claims_table([first, second], prefix="slope, ")
    assert table.loc[0].to_dict() == {
        "line": "P = 3",
        "published": -0.81,
        "theory": -0.8,
        "ours": -0.812,
        "low": -0.9,
        "high": -0.7,
        "verdict": first.verdict,
    }
    assert table.loc[1, ["line", "published", "theory", "low"]].tolist() == ["other", "–", "–", "–"]
    assert table.loc[1, "ours"] == 1.0


def test_a_table_of_a_page_says_what_is_a_bound_and_has_no_empty_column():
    bound = Claim("least", "x", 2.5, expected=1.0, relation="at least")
    table = report.claims_table([bound, Claim("equal", "x", 1.0, expected=1.0)])
    assert table["theory"].tolist() == ["≥ 1", 1.0]
    assert table.columns.tolist() == ["line", "theory", "ours", "verdict"]


@pytest.mark.parametrize(
    ("ours", "ends", "text"),
    [(10.6523, (10.65, 10.66), "10.65 [10.65, 10.66]"), (1.0, (0.9853, 1.02), "1.000 [0.985, 1.020]"),
     (-0.8, (-0.85, -0.75), "−0.80 [−0.85, −0.75]"), (2e-7, (1e-7, 3e-7), "2·10⁻⁷ [10⁻⁷, 3·10⁻⁷]"),
     (3.0, (-math.inf, math.inf), "3 [−∞, ∞]")],
)  # fmt: skip
def test_an_interval_has_the_decimals_of_its_number(only, ours, ends, text):
    only(demo())
    claim = Claim("x", "x", ours, ends)
    assert report.to_markdown([report.Line("demo", claim, "")]).count(text) == 1
