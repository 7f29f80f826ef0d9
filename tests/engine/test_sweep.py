"""Running cells: the same results however they are run, nothing lost, nothing computed twice."""

import dataclasses
import errno
import json
import os
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from engine_demo import computed, demo

from pairint.engine import sweep
from pairint.engine.store import CellStore, FolderInUse, ResultsError

pytestmark = pytest.mark.slow

TESTS = str(Path(__file__).parents[1] / "support")


def same(left, right):
    pd.testing.assert_frame_equal(left, right, check_exact=True)


@pytest.fixture(scope="module")
def reference():
    """The table of an undisturbed run in this process."""
    return sweep.run(demo())


@pytest.fixture
def log(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    return folder


def test_costly_cells_start_first(log):
    sweep.execute(demo(log), overrides={"n_samples": [10, 40, 20], "replicates": 1})
    (file,) = log.glob("*.log")
    assert file.read_text().split() == ["40", "0", "20", "0", "10", "0"]


class TestSettings:
    @pytest.mark.parametrize(
        ("overrides", "key", "value"),
        [
            ({"replicates": "7"}, "replicates", 7),
            ({"replicates": "1e1"}, "replicates", 10),
            ({"replicates": np.int64(7)}, "replicates", 7),
            ({"beta": "2"}, "beta", 2.0),
            ({"beta": 2}, "beta", 2.0),
            ({"n_samples": "5"}, "n_samples", [5]),
            ({"n_samples": "5, 1_000,2e3"}, "n_samples", [5, 1000, 2000]),
            ({"n_samples": "[5, 6]"}, "n_samples", [5, 6]),
            ({"n_samples": (5, 6)}, "n_samples", [5, 6]),
            ({"n_samples": 5}, "n_samples", [5]),
        ],
    )
    def test_values_take_the_type_of_the_preset(self, overrides, key, value):
        found = sweep.resolve_settings(demo(), "quick", overrides)[key]
        assert found == value
        assert type(found) is type(value)

    @pytest.mark.parametrize(
        ("default", "text", "value"),
        [
            (True, "false", False),
            (True, "True", True),
            ("auto", "7", "7"),
            (None, "7", 7),
            (None, "word", "word"),
            ([1, 0.5], "2", [2.0]),
            (["a"], "x,y", ["x", "y"]),
            (["auto", 3], "5,auto", [5, "auto"]),
        ],
    )
    def test_other_types(self, default, text, value):
        presets = {"quick": {"key": default}, "full": {"key": default}}
        experiment = dataclasses.replace(demo(), presets=presets)
        assert sweep.resolve_settings(experiment, "quick", {"key": text}) == {"key": value}

    @pytest.mark.parametrize(
        ("overrides", "message"),
        [
            ({"replicates": "2.5"}, "replicates must be an integer, got 2.5"),
            ({"replicates": True}, "replicates must be an integer"),
            ({"replicates": "many"}, "replicates must be an integer, got 'many'"),
            ({"beta": "rough"}, "beta must be a number"),
            (
                {"beta": "1" + "0" * 400},
                "beta must be a number that double precision holds, got an integer of",
            ),
            ({"replicates": 10**400}, "replicates must have at most 308 digits"),
            ({"replicates": "1" + "0" * 400}, "replicates must have at most 308 digits"),
            ({"replicates": "1" + "0" * 5000}, "replicates must be an integer, got '1000"),
            ({"replicates": 10**30}, "cells, more than 100,000: replicate alone takes 1,000,"),
            ({"beta": "1e999"}, "beta must be finite, got inf"),
            ({"beta": "[" * 100 + "]" * 100}, "beta must be a number, got "),
            ({"n_samples": "[" * 100 + "1" + "]" * 100}, "n_samples must be an integer, got "),
            ({"n_samples": "[" * 100_000}, "n_samples must be a list such as"),
            ({"n_samples": "-" * 5000 + "1"}, "n_samples must be an integer, got '---"),
            ({"n_samples": "5,x"}, "n_samples must be an integer, got 'x'"),
            ({"n_samples": []}, "n_samples must have at least one value"),
            ({"n_sample": 5}, "no setting 'n_sample' .did you mean 'n_samples'"),
            ({"beta": -1}, "beta must be > 0, got -1.0"),
        ],
    )
    def test_bad_values_are_refused_before_anything_runs(self, overrides, message):
        with pytest.raises(ValueError, match=message):
            sweep.plan(demo(), "quick", overrides)

    def test_unknown_presets_get_a_proposal(self):
        with pytest.raises(ValueError, match=r"no preset 'fulll' \(did you mean 'full'\?\)"):
            sweep.run(demo(), "fulll")

    @pytest.mark.parametrize("jobs", [0, -2, 1.5, True])
    def test_jobs(self, jobs):
        with pytest.raises((ValueError, TypeError), match="jobs must be"):
            sweep.run(demo(), jobs=jobs)


class TestSameResults:
    def test_for_any_number_of_workers(self, reference, tmp_path):
        same(sweep.run(demo(), jobs=2), reference)
        same(sweep.run(demo(), jobs=3, out=tmp_path), reference)
        same(sweep.run(demo(), out=tmp_path), reference)  # all read back

    def test_adding_cells_changes_no_other(self, reference):
        more = sweep.run(demo(), overrides={"n_samples": [5, 10, 15, 20], "replicates": 6})
        kept = more[more["n_samples"].isin([10, 20]) & (more["replicate"] < 4)]
        same(kept.reset_index(drop=True), reference)

    def test_a_changed_order_of_cells_changes_the_order_only(self, reference):
        turned = sweep.run(demo(), overrides={"n_samples": [20, 10]})
        keys = ["n_samples", "replicate", "estimator"]
        same(*(table.sort_values(keys, ignore_index=True) for table in (turned, reference)))

    def test_threads_of_linear_algebra(self, reference):
        """Allowed four threads by its user, the run still takes one, and gives the four back."""
        from threadpoolctl import threadpool_info, threadpool_limits

        with threadpool_limits(4):
            before = [pool["num_threads"] for pool in threadpool_info()]
            during = sweep.run(dataclasses.replace(demo(), compute=count_threads))
            assert [pool["num_threads"] for pool in threadpool_info()] == before
        assert set(during["threads"]) == {1}

    def test_numpy_values_in_rows(self):
        def compute(cell):
            return [{"a": np.float64(0.1), "b": np.int64(3), "c": np.bool_(True), "d": np.array([1.0])[0]}]

        table = sweep.run(dataclasses.replace(demo(), compute=compute))
        assert table.loc[0, ["a", "b", "c", "d"]].tolist() == [0.1, 3, True, 1.0]


def count_threads(cell):
    from threadpoolctl import threadpool_info

    return [{"threads": max(pool["num_threads"] for pool in threadpool_info())}]


class TestResuming:
    def test_nothing_is_computed_twice(self, log, tmp_path, reference):
        for _ in range(3):
            same(sweep.run(demo(log), out=tmp_path), reference)
        assert set(computed(log).values()) == {1}
        outcome = sweep.execute(demo(log), "full", out=tmp_path)  # shares eight cells
        assert (outcome.reused, outcome.computed) == (8, 16)
        assert set(computed(log).values()) == {1}

    def test_a_new_version_invalidates(self, log, tmp_path):
        sweep.run(demo(log), out=tmp_path)
        sweep.run(demo(log, version=2), out=tmp_path)
        assert set(computed(log).values()) == {2}
        sweep.run(demo(log), out=tmp_path)  # the old cells are still there
        assert set(computed(log).values()) == {2}

    def test_changed_code_without_a_new_version_invalidates_nothing(self, log, tmp_path):
        sweep.run(demo(log), out=tmp_path)
        changed = dataclasses.replace(demo(log), title="Another title", compute=lambda cell: 1 / 0)
        assert sweep.execute(changed, out=tmp_path).reused == 8

    def test_a_finished_run_can_be_read_where_nothing_can_be_written(self, tmp_path, monkeypatch, reference):
        """An archive: no lock can be made there, and none is needed."""
        sweep.run(demo(), out=tmp_path)

        def refuse(self):
            raise ResultsError("cannot write lock: Read-only file system")

        monkeypatch.setattr(CellStore, "lock", refuse)
        same(sweep.run(demo(), out=tmp_path), reference)
        with pytest.raises(ResultsError, match="Read-only"):
            sweep.run(demo(), "full", out=tmp_path)

    @pytest.mark.parametrize("damage", [b"", b"{}", b'{"format": 1, "exp', b"\xff\xfe"])
    def test_damaged_cells_are_computed_again_and_reported(self, log, tmp_path, reference, damage):
        sweep.run(demo(log), out=tmp_path)
        victim = sorted((tmp_path / "demo" / "cells").iterdir())[3]
        victim.write_bytes(damage)
        with pytest.warns(UserWarning, match="is damaged: .*; it is computed again"):
            outcome = sweep.execute(demo(log), out=tmp_path)
        assert (outcome.reused, outcome.computed) == (7, 1)
        assert len(outcome.damaged) == 1
        assert str(victim) in outcome.damaged[0]
        same(outcome.table(), reference)
        assert sweep.execute(demo(log), out=tmp_path).damaged == []

    def test_damage_is_said_before_anything_is_computed(self, log, tmp_path, monkeypatch):
        sweep.run(demo(log), out=tmp_path)
        for victim in sorted((tmp_path / "demo" / "cells").iterdir())[:2]:
            victim.write_bytes(b"")
        said = []
        monkeypatch.setattr(sweep, "_compute_missing", lambda *arguments: said.append("computing"))
        sweep.execute(demo(log), out=tmp_path, warn=said.append)
        assert ["is damaged" in text for text in said] == [True, True, False]

    def test_leftovers_of_a_write_cut_short_do_no_harm(self, tmp_path, reference):
        cells = tmp_path / "demo" / "cells"
        cells.mkdir(parents=True)
        (cells / ".0123.json.999.tmp").write_text('{"format"')
        same(sweep.run(demo(), out=tmp_path), reference)


class TestNames:
    def test_the_label_and_the_command_tell_settings_apart(self):
        outcome = sweep.execute(demo(), overrides={"replicates": "4"})  # the preset's own
        assert (outcome.label, outcome.command) == ("quick", "pairint run demo --preset quick")
        other = sweep.execute(demo(), overrides={"n_samples": "5", "beta": 2})
        assert other.label.startswith("quick-") and len(other.label) == len("quick-") + 8
        words = shlex.split(other.command)
        assert words == [
            "pairint",
            "run",
            "demo",
            "--preset",
            "quick",
            "--set",
            "n_samples=[5]",
            "--set",
            "beta=2.0",
        ]
        pairs = dict(word.split("=") for word in words if "=" in word)
        assert sweep.plan(demo(), "quick", pairs) == sweep.plan(
            demo(), "quick", {"n_samples": [5], "beta": 2.0}
        )


class TestFailures:
    @pytest.mark.parametrize("jobs", [1, 2])
    def test_the_others_go_on_and_the_next_run_tries_again(self, log, tmp_path, reference, jobs):
        raises = tmp_path / "raises"
        raises.touch()
        experiment = demo(log, raises=raises)
        outcome = sweep.execute(experiment, jobs=jobs, out=tmp_path)
        assert (outcome.computed, len(outcome.failures)) == (6, 2)
        assert [cell["n_samples"] for cell, _ in outcome.failures] == [10, 20]
        assert all("FloatingPointError: the demonstration" in error for _, error in outcome.failures)
        assert set(outcome.table()["replicate"]) == {0, 2, 3}
        recorded = [json.loads(path.read_text()) for path in (tmp_path / "demo" / "failed").iterdir()]
        assert [record["cell"]["replicate"] for record in recorded] == [1, 1]
        assert all("Traceback" in record["traceback"] for record in recorded)
        with pytest.raises(sweep.CellsFailed, match="2 of 8 cells of 'demo' failed"):
            sweep.run(experiment, out=tmp_path)
        raises.unlink()
        same(sweep.run(experiment, jobs=jobs, out=tmp_path), reference)
        assert set(computed(log).values()) == {1}
        assert list((tmp_path / "demo" / "failed").iterdir()) == []

    def test_a_worker_that_dies_costs_its_own_cell_only(self, log, tmp_path, reference):
        dies = tmp_path / "dies"
        dies.touch()
        experiment = demo(log, dies=dies)
        outcome = sweep.execute(experiment, jobs=2, out=tmp_path, overrides={"n_samples": [20]})
        assert (outcome.computed, len(outcome.failures)) == (3, 1)
        assert "worker process died" in outcome.failures[0][1]
        dies.unlink()
        same(sweep.run(experiment, out=tmp_path), reference)

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ([], "list of rows"),
            (None, "list of rows"),
            ({"error": 1.0}, "list of rows"),
            ([{"error": object()}], "no JSON form"),
            ([{"n_samples": -1}], "contradicts its cell in n_samples"),
            ([{"cell": "x"}], "contradicts its cell in cell"),
        ],
    )
    def test_rows_of_the_wrong_kind_are_failures(self, rows, message):
        outcome = sweep.execute(dataclasses.replace(demo(), compute=lambda cell: rows))
        assert len(outcome.failures) == 8
        assert message in outcome.failures[0][1]

    def test_a_disk_that_fills_up_keeps_what_is_finished(self, log, tmp_path, monkeypatch, reference):
        written = []
        write = CellStore.write

        def write_five(self, cell, result):
            if len(written) == 5:
                raise ResultsError("cannot write x: No space left on device (free some space)")
            written.append(cell)
            return write(self, cell, result)

        monkeypatch.setattr(CellStore, "write", write_five)
        with pytest.raises(ResultsError, match="No space left"):
            sweep.run(demo(log), out=tmp_path)
        monkeypatch.undo()
        outcome = sweep.execute(demo(log), out=tmp_path)
        assert (outcome.reused, outcome.computed) == (5, 3)
        same(outcome.table(), reference)

    def test_a_folder_that_cannot_be_made(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(ResultsError, match="cannot write"):
            sweep.run(demo(), out=tmp_path / "file")


def start_run(log, out, **options):
    """Start a run in a process of its own."""
    code = f"""
        import sys
        sys.path.insert(0, {TESTS!r})
        from engine_demo import demo
        from pairint.engine import sweep
        sweep.run(demo({str(log)!r}, seconds={options.pop("seconds")}), out={str(out)!r}, **{options!r})
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(out):
    folder = Path(out) / "demo" / "cells"
    return {path.stem for path in folder.glob("*.json")} if folder.is_dir() else set()


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
class TestKilled:
    @pytest.mark.parametrize("jobs", [1, 2])
    def test_sigkill_loses_nothing(self, log, tmp_path, reference, jobs):
        """Killed twice at moments of its own, the run ends with the table of an undisturbed one."""
        store = CellStore(tmp_path / "demo", "demo", 1)
        _, cells = sweep.plan(demo(), "quick")
        kept = set()
        for target in (1, 4):
            process = start_run(log, tmp_path, seconds=0.25, jobs=jobs)
            wait_for(lambda target=target: len(finished(tmp_path)) >= target)
            process.kill()
            assert process.wait() == -signal.SIGKILL
            process.communicate()
            assert kept <= finished(tmp_path)
            kept = finished(tmp_path)
        at_the_kill = {cell["n_samples"] * 100 + cell["replicate"] for cell in cells if store.read(cell)}
        assert len(at_the_kill) == len(kept) < len(cells)
        time.sleep(1.5)  # workers end with the process they work for
        before = computed(log)
        outcome = sweep.execute(demo(log), out=tmp_path)
        same(outcome.table(), reference)
        assert outcome.damaged == []
        assert outcome.reused == len(at_the_kill)
        repeated = computed(log) - before
        again = {100 * int(samples) + int(replicate) for samples, replicate in map(str.split, repeated)}
        assert again.isdisjoint(at_the_kill), "a finished cell was computed again"
        assert len(again) == outcome.computed == len(cells) - len(at_the_kill)

    def test_two_runs_on_one_folder(self, log, tmp_path, reference):
        process = start_run(log, tmp_path, seconds=0.2, jobs=1)
        wait_for(lambda: finished(tmp_path))
        with pytest.raises(FolderInUse, match=f"process {process.pid}"):
            sweep.run(demo(log), out=tmp_path)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        same(sweep.run(demo(log), out=tmp_path), reference)
        assert set(computed(log).values()) == {1}

    def test_two_runs_where_there_are_no_locks(self, log, tmp_path, reference, monkeypatch):
        """As on file systems without locks: work may be done twice, but nothing is corrupted."""
        monkeypatch.setattr("pairint.engine.store.fcntl", None)
        process = start_run(log, tmp_path, seconds=0.1, jobs=1)
        same(sweep.run(demo(log, seconds=0.1), out=tmp_path), reference)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        outcome = sweep.execute(demo(log), out=tmp_path)
        assert (outcome.reused, outcome.damaged) == (8, [])
        same(outcome.table(), reference)


def test_without_shared_memory_cells_are_computed_one_after_another(monkeypatch, log):
    """As in containers that have none: joblib alone would end with an error about something else."""

    def refuse(*arguments):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("multiprocessing.Semaphore", refuse)
    with pytest.warns(
        UserWarning, match="no processes can work together here: jobs=2 computes cell after cell"
    ):
        outcome = sweep.execute(demo(log), jobs=2)
    assert outcome.computed == 8 and os.listdir(log) == [f"{os.getpid()}.log"]


def test_nothing_is_printed_unless_progress_is_asked_for(capsys):
    sweep.execute(demo())
    assert capsys.readouterr() == ("", "")
    sweep.execute(demo(), progress=True)
    assert "8 of 8 cells" in capsys.readouterr().err
