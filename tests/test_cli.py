"""The command line: what it prints, what it writes, how it exits."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from engine_demo import demo

from pairint import __version__
from pairint.cli import main
from pairint.engine import sweep
from pairint.engine.progress import duration
from pairint.engine.store import CellStore
from pairint.experiments import load_provenance, load_results, registry

pytestmark = pytest.mark.slow

TESTS = str(Path(__file__).parent / "support")


@pytest.fixture(autouse=True)
def registered(monkeypatch, tmp_path):
    """The demonstration is the only experiment, and the current folder an empty one."""
    monkeypatch.setattr(registry, "MODULES", {})
    monkeypatch.setattr(registry, "_registered", {"demo": demo()})
    monkeypatch.setenv("PAIRINT_RESULTS", str(tmp_path / "stored"))
    monkeypatch.chdir(tmp_path)


def use(experiment, monkeypatch):
    monkeypatch.setattr(registry, "_registered", {experiment.name: experiment})


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

    def test_what_was_measured_replaces_what_is_declared(self, capsys, tmp_path):
        sweep.execute(demo(seconds=0.05), "full").store(tmp_path / "stored")
        assert main(["list", "--json"]) == 0
        (entry,) = json.loads(capsys.readouterr().out)
        assert entry["expected_seconds"]["quick"] == 0.1
        measured = load_provenance("demo")["computing_seconds"]
        assert entry["expected_seconds"]["full"] == measured >= 1.2
        assert main(["list"]) == 0
        assert f"full about {duration(measured)}" in capsys.readouterr().out

    def test_it_is_light(self):
        """Listing imports neither pandas nor Matplotlib nor SciPy: it must feel immediate."""
        code = (
            "import sys; from pairint.cli import main; main(['list']); "
            "print([m for m in ('pandas', 'matplotlib', 'scipy', 'sklearn', 'torch') if m in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]"

    def test_as_a_module(self):
        command = [sys.executable, "-m", "pairint", "list", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "dimension" in [entry["name"] for entry in json.loads(done.stdout)]


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

    def test_other_settings_get_names_of_their_own(self, tmp_path):
        """A run with --set leaves the table and the figure of the preset alone."""
        assert run() == 0
        folder = tmp_path / "results" / "demo"
        before = (folder / "quick.csv").read_bytes()
        assert run("--set", "replicates=2") == run("--set", "replicates=3") == 0
        assert (folder / "quick.csv").read_bytes() == before
        assert len(list(folder.glob("quick-????????.csv"))) == 2
        assert len(list(folder.glob("quick-????????.svg"))) == 2
        assert run("--set", "replicates=4") == 0  # the preset's own value
        assert len(list(folder.glob("quick*.csv"))) == 3

    def test_store(self, capsys, tmp_path):
        assert run("--preset", "full", "--store") == 0
        assert f"stored: {tmp_path / 'stored' / 'demo'}" in capsys.readouterr().out
        record = load_provenance("demo")
        assert record["command"] == "pairint run demo --preset full --store"
        assert len(load_results("demo")) == 48
        there = tmp_path / "there"
        assert run("--set", "replicates=2", "--store", str(there)) == 0
        assert (there / "demo" / "SHA256SUMS").exists()
        record = load_provenance("demo", there)
        assert record["command"] == "pairint run demo --preset quick --set replicates=2 --store"
        assert len(load_results("demo", there)) == 8

    @pytest.mark.parametrize("place", [["--store"], ["--store", "stored"], ["--store", "there/../stored"]])
    @pytest.mark.parametrize("what", [[], ["--preset", "full", "--set", "replicates=2"]])
    def test_the_folder_of_the_book_takes_full_runs_only(self, capsys, tmp_path, what, place):
        assert run("--preset", "full", "--store") == 0
        before = {path: path.read_bytes() for path in (tmp_path / "stored" / "demo").iterdir()}
        shutil.rmtree(tmp_path / "results")
        assert run(*what, *place) == 2
        assert "--store takes --preset full without --set there" in capsys.readouterr().err
        assert {path: path.read_bytes() for path in before} == before
        assert not (tmp_path / "results").exists()  # refused before anything is computed

    def test_storing_what_was_not_committed_is_said(self, capsys, monkeypatch):
        from pairint.engine import provenance, workers

        for commit, warned in (("abc", False), (None, False), ("abc+changes", True)):
            monkeypatch.setattr(provenance, "commit", lambda value=commit: value)
            place = {**provenance.environment(), "commit": commit}
            monkeypatch.setattr(workers, "environment", lambda value=place: value)
            assert run("--out", str(commit), "--store", f"stored by {commit}") == 0
            errors = capsys.readouterr().err
            assert ("has changes that are not committed" in errors) is warned
            assert ("8 of the 8 cells were computed by code that was not committed" in errors) is warned
        # Cells of an earlier run count, whatever the code is now.
        monkeypatch.setattr(provenance, "commit", lambda: "abd")
        assert run("--out", "abc+changes", "--store", "again") == 0
        errors = capsys.readouterr().err
        assert "has changes" not in errors and "8 of the 8 cells" in errors

    def test_an_archive_can_be_drawn_from(self, capsys, monkeypatch, tmp_path):
        """Finished and read-only: the claims are printed, and what cannot be written again stays."""
        assert run("--out", "archive") == 0
        folder = tmp_path / "archive" / "demo"
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        replace = os.replace

        def refuse(source, target):
            if "archive" in str(target):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            replace(source, target)

        monkeypatch.setattr(os, "replace", refuse)
        monkeypatch.setattr(CellStore, "lock", lambda self: 1 / 0)
        capsys.readouterr()
        assert run("--out", "archive", "--store", "there") == 0
        captured = capsys.readouterr()
        assert "reproduced" in captured.out
        assert (
            captured.err.count("Read-only file system")
            == captured.err.count("the one that is there stays")
            == 2
        )
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
        assert len(load_results("demo", tmp_path / "there")) == 16
        assert main(["figure", "demo", "--preset", "quick", "--results", "archive", "--jobs", "1"]) == 0
        assert (tmp_path / "demo.svg").stat().st_size > 0
        (folder / "quick.csv").unlink()
        assert run("--out", "archive") == 3  # there is no table now, and none can be written

    def test_failures(self, capsys, tmp_path, monkeypatch):
        use(demo(raises=__file__), monkeypatch)
        assert run("--store", "stored here") == 1
        captured = capsys.readouterr()
        assert "6 computed, 2 failed" in captured.out
        assert "FloatingPointError: the demonstration went wrong" in captured.err
        assert f"tracebacks in {Path('results/demo/failed')}" in captured.err
        assert not (tmp_path / "stored here").exists()

    def test_damaged_cells_are_reported(self, capsys, tmp_path):
        run()
        next((tmp_path / "results" / "demo" / "cells").iterdir()).write_text("{")
        capsys.readouterr()
        assert run() == 0
        captured = capsys.readouterr()
        assert captured.err.count("is damaged") == captured.err.count("it is computed again") == 1
        assert "7 were finished, 1 computed" in captured.out

    def test_damaged_cells_are_reported_before_the_interruption(self, capsys, tmp_path, monkeypatch):
        run()
        next((tmp_path / "results" / "demo" / "cells").iterdir()).write_text("{")
        capsys.readouterr()

        def interrupt(*arguments, **options):
            raise KeyboardInterrupt

        monkeypatch.setattr(sweep, "_compute_missing", interrupt)
        assert run() == 130
        assert "is damaged" in capsys.readouterr().err

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
            (
                ["run", "demo", "--set", f"beta=1{'0' * 400}"],
                "beta must be a number that double precision holds",
            ),
            (["run", "demo", "--set", f"replicates=1{'0' * 400}"], "replicates must have at most 308 digits"),
            (
                ["run", "demo", "--set", f"n_samples={'[' * 100}1{']' * 100}"],
                "n_samples must be an integer, got",
            ),
            (
                ["run", "demo", "--set", "n_samples=[1000"],
                "n_samples must be a list such as 1,2,3 or [1, 2, 3],",
            ),
            (
                ["run", "demo", "--set", "replicates=100000000000"],
                "200,000,000,000 cells, more than 100,000: replicate alone takes 100,000,000,000 values",
            ),
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
        ("arguments", "message"),
        [
            ([], "required: COMMAND"),
            (["rum"], "invalid choice: 'rum'"),
            (["run"], "required: NAME"),
            (["run", "demo", "--jobs", "0"], "must be an integer >= 1, or -1 for one per core; got '0'"),
            (["run", "demo", "--jobs", "x"], "must be an integer >= 1, or -1 for one per core; got 'x'"),
            (["run", "demo", "--timeout", "-1"], "must be a number of seconds > 0 and at most 1e6, got '-1'"),
            (
                ["run", "demo", "--timeout", "nan"],
                "must be a number of seconds > 0 and at most 1e6, got 'nan'",
            ),
            (
                ["run", "demo", "--timeout", "1e300"],
                "must be a number of seconds > 0 and at most 1e6, got '1e300'",
            ),
            (
                ["run", "demo", "--timeout", "abc"],
                "must be a number of seconds > 0 and at most 1e6, got 'abc'",
            ),
        ],
    )
    def test_what_argparse_refuses(self, capsys, arguments, message):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
        error = capsys.readouterr().err
        assert "usage:" in error
        assert message in error

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
        sweep.execute(demo()).store(tmp_path / "stored")
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
        rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| mean error |")]
        assert len(rows) == 1
        assert rows[0].endswith("| Figure (x) |")  # where the paper says it stands last
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
    experiments.registry.MODULES.clear()
    experiments.register(demo({log!r}, seconds={seconds}))
    sys.exit(main({arguments!r}))
"""


def start(arguments, log=None, seconds=0.0, **options):
    code = textwrap.dedent(SCRIPT).format(
        tests=TESTS, log=None if log is None else str(log), seconds=seconds, arguments=arguments
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options},
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


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
class TestClosedPipes:
    """As in `pairint run demo --store there | head -1`: what was asked for is done, or the code says no."""

    def test_a_run_goes_on_and_stores(self, tmp_path):
        process = start(["run", "demo", "--jobs", "1", "--store", "there"])
        process.stdout.close()
        errors = process.stderr.read()
        process.stderr.close()
        assert process.wait(timeout=60) == 0
        assert "Traceback" not in errors and "BrokenPipe" not in errors
        assert len(load_results("demo", tmp_path / "there")) == 16
        assert (tmp_path / "results" / "demo" / "quick.svg").exists()

    def test_a_run_that_cannot_store_fails(self, tmp_path):
        (tmp_path / "there").touch()
        process = start(["run", "demo", "--jobs", "1", "--store", "there"])
        process.stdout.close()
        errors = process.stderr.read()
        process.stderr.close()
        assert process.wait(timeout=60) == 3
        assert "cannot write" in errors

    def test_a_run_that_cannot_even_warn_is_no_success(self, tmp_path):
        process = start(["run", "demo", "--jobs", "1", "--store", "there"], seconds=0.2)
        process.stdout.close()
        process.stderr.close()  # progress is shown there
        stored = process.wait(timeout=60) == 0
        assert (tmp_path / "there").exists() is stored


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "cp1252"])
@pytest.mark.parametrize("command", ["run", "report"])
def test_what_the_terminal_cannot_spell_is_written_all_the_same(command, encoding):
    """As on Windows, where redirected output has an encoding of 256 characters."""
    arguments = {"run": ["run", "demo", "--jobs", "1"], "report": ["report", "--jobs", "1"]}[command]
    process = start(arguments, env={**os.environ, "PYTHONIOENCODING": encoding}, encoding=encoding)
    out, errors = process.communicate(timeout=60)
    assert "Error" not in errors
    assert process.returncode == 0
    assert "not published" in out
    assert (r"\u2013" in out) is (encoding != "cp1252")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full is needed")
class TestFullOutput:
    """Standard output goes to a disk that is full, as in `pairint run demo --store there > /dev/full`."""

    def run_full(self, arguments):
        with open("/dev/full", "w") as full:
            process = start(arguments, stdout=full)
            _, errors = process.communicate(timeout=60)
        assert "Traceback" not in errors and "Exception ignored" not in errors
        assert "cannot write to standard output: No space left on device" in errors
        return process.returncode

    def test_a_run_goes_on_and_stores(self, tmp_path):
        assert self.run_full(["run", "demo", "--jobs", "1", "--store", "there"]) == 0
        assert len(load_results("demo", tmp_path / "there")) == 16
        assert (tmp_path / "results" / "demo" / "quick.svg").exists()

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [(["run", "demo", "--jobs", "1", "--store", "there"], 0), (["run", "demo", "--out", "file"], 3)],
        ids=["a run", "an error"],
    )
    def test_messages_that_cannot_be_written_change_no_exit_code(self, tmp_path, arguments, code):
        """As in `pairint run demo > log 2>&1`, with the log on the disk that is full."""
        (tmp_path / "file").touch()
        with open("/dev/full", "w") as full:
            process = start(arguments, stdout=full, stderr=full)
            process.communicate(timeout=60)
        assert process.returncode == code
        assert code or len(load_results("demo", tmp_path / "there")) == 16

    @pytest.mark.parametrize("command", [["list"], ["list", "--json"], ["report", "--jobs", "1"]])
    def test_what_was_asked_for_cannot_be_written(self, command):
        assert self.run_full(command) == 3


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell closes it")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_output_closed_from_the_start(tmp_path, closed):
    """No file of results gets the number of a closed output, nor what is printed there."""
    code = textwrap.dedent(SCRIPT).format(
        tests=TESTS, log=None, seconds=0.0, arguments=["run", "demo", "--jobs", "1", "--store", "there"]
    )
    done = subprocess.run(["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code], timeout=60)
    assert done.returncode == 0
    assert len(load_results("demo", tmp_path / "there")) == 16
