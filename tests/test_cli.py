"""The command line: what it prints, what it writes, how it exits."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from engine_demo import demo

from pairint import __version__, experiments, sweep
from pairint.cli import main
from pairint.results import CellStore, load_provenance, load_results

TESTS = str(Path(__file__).parent)


@pytest.fixture(autouse=True)
def registered(monkeypatch, tmp_path):
    """The demonstration is the only experiment, and the current folder an empty one."""
    monkeypatch.setattr(experiments, "MODULES", {})
    monkeypatch.setattr(experiments, "_registered", {"demo": demo()})
    monkeypatch.setenv("PAIRINT_RESULTS", str(tmp_path / "stored"))
    monkeypatch.chdir(tmp_path)


def use(experiment, monkeypatch):
    monkeypatch.setattr(experiments, "_registered", {experiment.name: experiment})


def run(*arguments):
    return main(["run", "demo", "--jobs", "1", *arguments])


class TestList:
    def test_it_says_what_there_is(self, capsys):
        assert main(["list"]) == 0
        out = capsys.readouterr().out
        for word in (
            "demo",
            "A demonstration",
            "Figure (x) of no paper",
            "quick about 0.1 s",
            "full about 0.2 s",
        ):
            assert word in out

    def test_for_programs(self, capsys):
        assert main(["list", "--json"]) == 0
        (entry,) = json.loads(capsys.readouterr().out)
        assert entry["name"] == "demo"
        assert entry["presets"]["quick"]["n_samples"] == [10, 20]
        assert entry["expected_seconds"] == {"quick": 0.1, "full": 0.2}

    def test_it_is_light(self):
        """Listing imports neither pandas nor Matplotlib nor SciPy: it must feel immediate."""
        code = (
            "import sys; from pairint.cli import main; main(['list']); "
            "print([m for m in ('pandas', 'matplotlib', 'scipy', 'sklearn', 'torch') if m in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]"


class TestRun:
    def test_table_figure_and_claims(self, capsys, tmp_path):
        assert run() == 0
        out = capsys.readouterr().out
        assert "demo (quick): 8 cells: 0 were finished, 8 computed, 0 failed" in out
        assert "reproduced" in out
        assert (tmp_path / "results" / "demo" / "quick.csv").stat().st_size > 0
        assert (tmp_path / "results" / "demo" / "quick.svg").read_text().startswith("<?xml")
        assert run() == 0
        assert "8 were finished, 0 computed" in capsys.readouterr().out

    def test_settings(self, capsys, tmp_path):
        assert run("--set", "n_samples=5", "--set", "replicates=2", "--out", "elsewhere") == 0
        assert "2 cells" in capsys.readouterr().out
        assert len(list((tmp_path / "elsewhere" / "demo" / "cells").iterdir())) == 2

    def test_store(self, capsys, tmp_path):
        assert run("--preset", "full", "--set", "replicates=2", "--store") == 0
        assert f"stored: {tmp_path / 'stored' / 'demo'}" in capsys.readouterr().out
        record = load_provenance("demo")
        assert record["command"] == "pairint run demo --preset full --set replicates=2 --store"
        assert len(load_results("demo")) == 12
        assert run("--store", str(tmp_path / "there")) == 0
        assert (tmp_path / "there" / "demo" / "SHA256SUMS").exists()

    def test_failures(self, capsys, tmp_path, monkeypatch):
        use(demo(raises=__file__), monkeypatch)
        assert run("--store") == 1
        captured = capsys.readouterr()
        assert "6 computed, 2 failed" in captured.out
        assert "FloatingPointError: the demonstration went wrong" in captured.err
        assert f"tracebacks in {Path('results/demo/failed')}" in captured.err
        assert not (tmp_path / "stored").exists()

    def test_damaged_cells_are_reported(self, capsys, tmp_path):
        run()
        next((tmp_path / "results" / "demo" / "cells").iterdir()).write_text("{")
        capsys.readouterr()
        assert run() == 0
        captured = capsys.readouterr()
        assert "is damaged" in captured.err
        assert "computed again" in captured.err
        assert "7 were finished, 1 computed" in captured.out

    def test_a_figure_that_cannot_be_drawn_is_said(self, capsys, monkeypatch):
        import dataclasses

        use(dataclasses.replace(demo(), plot=lambda table: 1 / 0), monkeypatch)
        assert run() == 1
        captured = capsys.readouterr()
        assert "no figure from these settings: ZeroDivisionError" in captured.err
        assert "reproduced" in captured.out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["run", "demmo"], "unknown experiment 'demmo' (did you mean 'demo'?)"),
            (["run", "demo", "nothing"], "unknown experiment 'nothing'"),
            (["run", "demo", "--preset", "fast"], "no preset 'fast'"),
            (["run", "demo", "--set", "n_sample=3"], "no setting 'n_sample' (did you mean 'n_samples'?)"),
            (["run", "demo", "--set", "beta"], "--set takes KEY=VALUE, got 'beta'"),
            (["run", "demo", "--set", "beta=-1"], "beta must be > 0, got -1.0"),
            (["run", "demo", "--set", "replicates=2.5"], "replicates must be an integer"),
            (["run", "demo", "demo", "--set", "beta=1"], "one experiment at a time"),
            (["figure", "nothing"], "unknown experiment"),
            (["figure", "demo", "--out", "a.xyz", "--jobs", "1"], "--out must end in one of"),
        ],
    )
    def test_what_is_typed_wrong(self, capsys, arguments, message):
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert message in error
        assert "Traceback" not in error

    @pytest.mark.parametrize(
        "arguments",
        [[], ["rum"], ["run"], ["run", "demo", "--jobs", "0"], ["run", "demo", "--jobs", "x"],
         ["run", "demo", "--timeout", "-1"]],
    )  # fmt: skip
    def test_what_argparse_refuses(self, capsys, arguments):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
        assert "usage:" in capsys.readouterr().err

    def test_storage(self, capsys, tmp_path):
        (tmp_path / "file").touch()
        assert run("--out", "file") == 3
        assert "cannot write" in capsys.readouterr().err

    @pytest.mark.skipif(os.name == "nt", reason="no locks there")
    def test_a_folder_in_use(self, capsys):
        with CellStore("results/demo", "demo", 1).lock():
            assert run() == 3
        assert "another run" in capsys.readouterr().err

    def test_scheduler(self, capsys):
        pytest.importorskip("distributed")
        assert run("--scheduler", "tcp://127.0.0.1:1", "--timeout", "0.5") == 4
        assert "no Dask scheduler answers" in capsys.readouterr().err

    def test_bugs_show_their_traceback(self, monkeypatch):
        monkeypatch.setattr(sweep, "execute", lambda *arguments, **options: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run()


class TestFigure:
    def test_from_the_stored_table(self, capsys, tmp_path, monkeypatch):
        sweep.execute(demo()).store()
        use(demo(raises=__file__), monkeypatch)
        assert main(["figure", "demo"]) == 0
        assert "stored table" in capsys.readouterr().out
        assert (tmp_path / "demo.svg").stat().st_size > 0

    def test_from_cells(self, capsys, tmp_path):
        assert main(["figure", "demo", "--preset", "quick", "--jobs", "1", "--out", "new/demo.png"]) == 0
        assert (tmp_path / "new" / "demo.png").read_bytes().startswith(b"\x89PNG")
        assert "preset quick" in capsys.readouterr().out

    def test_failed_cells(self, monkeypatch):
        use(demo(raises=__file__), monkeypatch)
        assert main(["figure", "demo", "--preset", "quick", "--jobs", "1"]) == 1
        assert main(["figure", "demo", "--jobs", "1"]) == 1


class TestReport:
    def test_markdown_and_json(self, capsys, tmp_path):
        assert main(["report", "--jobs", "1"]) == 0
        assert "| mean error | Figure (x) |" in capsys.readouterr().out
        assert main(["report", "--json", "--jobs", "1", "--out", "report.json"]) == 0
        lines = json.loads((tmp_path / "report.json").read_text())["lines"]
        assert [line["verdict"] for line in lines] == ["reproduced", "not published"]

    def test_what_is_not_stored(self, capsys):
        assert main(["report", "--stored"]) == 1
        assert "Not computed" in capsys.readouterr().out


def test_help_and_version(capsys):
    for arguments, words in (
        (["--help"], ("list", "run", "figure", "report", "exit codes")),
        (["run", "--help"], ("--preset", "--jobs", "--scheduler", "--out", "--set", "--store", "exit codes")),
        (["--version"], (__version__,)),
    ):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 0
        out = capsys.readouterr().out
        assert all(word in out for word in words)


SCRIPT = """
    import signal, sys
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, where tests run in the background
    sys.path.insert(0, {tests!r})
    from engine_demo import demo
    from pairint import experiments
    from pairint.cli import main
    experiments.register(demo({log!r}, seconds={seconds}))
    sys.exit(main({arguments!r}))
"""


def start(arguments, log=None, seconds=0.0, **options):
    code = textwrap.dedent(SCRIPT).format(
        tests=TESTS, log=None if log is None else str(log), seconds=seconds, arguments=arguments
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c(tmp_path):
    """Interrupted, the command says so in one line, and goes on when it is run again."""
    log = tmp_path / "log"
    log.mkdir()
    process = start(["run", "demo", "--jobs", "1"], log, 0.3)
    end = time.monotonic() + 60
    while not list(tmp_path.glob("results/demo/cells/*.json")):
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; finished cells are kept" in errors
    assert "Traceback" not in errors
    outcome = sweep.execute(demo(log), out="results")
    assert outcome.reused >= 1
    assert outcome.reused + outcome.computed == 8


def test_a_closed_pipe_is_no_error(tmp_path):
    process = start(["list", "--json"])
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
