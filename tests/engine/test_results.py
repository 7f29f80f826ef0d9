"""Files of results: whole or absent, checked, exact to the last bit."""

import errno
import hashlib
import json
import math
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from engine_demo import demo

from pairint.engine import sweep
from pairint.engine.seeds import ROOT_SEED
from pairint.engine.store import CellStore, FolderInUse, ResultsError, cell_id, write_atomic
from pairint.engine.tables import (
    expected_seconds,
    load_provenance,
    load_table,
    make_table,
    parse_table,
    stored_names,
)

CELL = {"n_samples": 10, "beta": 1.0, "replicate": 0}
RESULT = {"rows": [{"error": 0.1}], "seconds": 1.0, "finished": 100.0, "environment": {}}


def _checksum(record):
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def store(tmp_path):
    return CellStore(tmp_path / "demo", "demo", 1)


class TestCells:
    def test_a_record_comes_back_exactly(self, store):
        values = [math.pi, 1e-300, -0.0, math.inf, math.nan, 2**60, "é", None, True]
        rows = [{"value": value} for value in values]
        store.write(CELL, {**RESULT, "rows": rows})
        assert repr(store.read(CELL)["rows"]) == repr(rows)

    def test_identity(self):
        assert cell_id("a", 1, CELL) == cell_id("a", 1, {**CELL, "beta": 1})
        others = [cell_id("b", 1, CELL), cell_id("a", 2, CELL), cell_id("a", 1, {**CELL, "replicate": 1})]
        assert len({cell_id("a", 1, CELL), *others}) == 4

    def test_absent_is_none(self, store):
        assert store.read(CELL) is None

    @pytest.mark.parametrize(
        "damage",
        [
            lambda text: "",
            lambda text: text[:-20],
            lambda text: text.replace("0.1", "0.2"),
            lambda text: text.replace('"error"', '"horror"'),
            lambda text: "[1, 2]",
            lambda text: "\x00" * len(text),
            lambda text: text.replace("0.1", "\udcff"),
            lambda text: "[" * 100_000,
            lambda text: '{"a": ' * 100_000,
            lambda text: text.replace('"seconds": 1.0', f'"seconds": {"1" * 5000}'),
            lambda text: json.dumps({"sha256": _checksum({})}),
        ],
    )
    def test_damage_is_noticed(self, store, damage):
        store.write(CELL, RESULT)
        path = store.path(CELL)
        path.write_bytes(damage(path.read_text()).encode("utf-8", "surrogateescape"))
        with pytest.raises(ResultsError, match="is damaged"):
            store.read(CELL)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("rows", ...),
            ("rows", []),
            ("rows", [1]),
            ("rows", "text"),
            ("seconds", ...),
            ("seconds", math.nan),
            ("seconds", 10**400),
            ("finished", 1e300),
            ("finished", "yesterday"),
            ("environment", ...),
            ("environment", None),
            ("cell", ...),
            ("version", ...),
        ],
    )
    def test_a_record_without_a_part_is_noticed_though_its_checksum_is_right(self, store, key, value):
        record = store.write(CELL, RESULT) | {key: value}
        record = {name: part for name, part in record.items() if part is not ...}
        store.path(CELL).write_text(json.dumps({**record, "sha256": _checksum(record)}))
        with pytest.raises(
            ResultsError, match=r"is damaged: (a part of the record is missing|it holds another)"
        ):
            store.read(CELL)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes there")
    @pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
    def test_only_regular_files_are_read(self, store, kind):
        """A pipe without a writer would be waited for, a device without an end fill the memory."""
        path = store.path(CELL)
        path.parent.mkdir(parents=True)
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "device":
            path.symlink_to("/dev/zero")
        else:
            path.mkdir()
        with pytest.raises(ResultsError, match=r"not a regular file|Is a directory"):
            store.read(CELL)

    def test_a_file_without_measure_is_not_read(self, store, monkeypatch):
        store.write(CELL, RESULT)
        monkeypatch.setattr("pairint.engine.store.MAX_BYTES", 100)
        with pytest.raises(ResultsError, match="is damaged: larger than 100 bytes"):
            store.read(CELL)
        with pytest.raises(ResultsError, match="bytes, more than 100"):
            store.write(CELL, RESULT)

    def test_every_single_changed_byte_is_noticed(self, store):
        store.write(CELL, RESULT)
        path = store.path(CELL)
        whole = path.read_bytes()
        unnoticed = 0
        for position in range(len(whole)):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
            try:
                record = store.read(CELL)
            except ResultsError:
                continue
            unnoticed += record != store.record(CELL, RESULT)
        assert unnoticed == 0

    def test_another_cells_file_is_noticed(self, store):
        store.write(CELL, RESULT)
        store.path(CELL).rename(store.path({**CELL, "replicate": 1}))
        with pytest.raises(ResultsError, match="another cell"):
            store.read({**CELL, "replicate": 1})

    @pytest.mark.parametrize(("seconds", "flushes"), [(0.01, 0), (1.0, 1)])
    def test_cells_worth_it_are_flushed_before_they_are_renamed(self, store, monkeypatch, seconds, flushes):
        calls = []
        fsync, replace = os.fsync, os.replace
        monkeypatch.setattr(os, "fsync", lambda *a: (calls.append("fsync"), fsync(*a)))
        monkeypatch.setattr(os, "replace", lambda *a: (calls.append("replace"), replace(*a)))
        store.write(CELL, {**RESULT, "seconds": seconds})
        assert calls == ["fsync"] * flushes + ["replace"]

    def test_success_clears_the_failure(self, store):
        path = store.write_failure(CELL, "Traceback: no")
        assert json.loads(path.read_text())["traceback"] == "Traceback: no"
        store.write(CELL, RESULT)
        assert not path.exists()


class TestFaultsOfTheDisk:
    @pytest.mark.parametrize(
        ("code", "advice"),
        [(errno.ENOSPC, "free some space"), (errno.EROFS, "--out"), (errno.EACCES, "--out"), (errno.EIO, "")],
    )
    @pytest.mark.parametrize("where", ["fsync", "replace"])
    def test_nothing_is_left_behind(self, tmp_path, monkeypatch, where, code, advice):
        path = tmp_path / "cell.json"
        path.write_text("before")

        def fail(*arguments):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, where, fail)
        with pytest.raises(ResultsError, match=os.strerror(code)) as caught:
            write_atomic(path, "after")
        assert advice in str(caught.value)
        assert str(path) in str(caught.value)
        assert [item.name for item in tmp_path.iterdir()] == ["cell.json"]
        assert path.read_text() == "before"

    def test_a_file_in_the_way(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(ResultsError, match="cannot write"):
            write_atomic(tmp_path / "file" / "cell.json", "text")
        with (
            pytest.raises(ResultsError, match="cannot write"),
            CellStore(tmp_path / "file", "demo", 1).lock(),
        ):
            pass

    @pytest.mark.skipif(os.name == "nt", reason="limits on file sizes are POSIX")
    def test_a_disk_that_fills_up_half_way(self, tmp_path):
        """A real short write: the system lets a file grow to 600 bytes, no further."""
        code = (
            "import resource\n"
            "from pathlib import Path\n"
            "from pairint.engine.store import ResultsError, write_atomic\n"
            f"folder = Path({str(tmp_path)!r})\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))\n"
            "write_atomic(folder / 'small', 'x' * 500)\n"
            "try:\n"
            "    write_atomic(folder / 'large', 'x' * 5000)\n"
            "except ResultsError as error:\n"
            "    print(error)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "large: File too large" in done.stdout
        assert [item.name for item in tmp_path.iterdir()] == ["small"]

    @pytest.mark.skipif(os.name == "nt", reason="limits on file sizes are POSIX")
    def test_a_disk_that_is_full_at_the_start(self, tmp_path):
        """Not a byte can be written: neither the holder of the lock, nor a cell."""
        code = (
            "import resource\n"
            "from pairint.engine.store import CellStore, ResultsError\n"
            f"store = CellStore({str(tmp_path)!r}, 'demo', 1)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
            "try:\n"
            "    with store.lock():\n"
            f"        store.write({CELL!r}, {RESULT!r})\n"
            "except ResultsError as error:\n"
            "    print(error)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert "json: File too large" in done.stdout


class TestLock:
    def test_one_run_at_a_time(self, store):
        with store.lock(), pytest.raises(FolderInUse, match=f"process {os.getpid()}"), store.lock():
            pass
        assert (store.folder / "lock").read_text() == str(os.getpid())  # the last holder, not all of them
        with store.lock():  # and free again
            assert (store.folder / "lock").read_text() == str(os.getpid())

    def test_two_experiments_do_not_wait_for_each_other(self, tmp_path):
        with CellStore(tmp_path / "a", "a", 1).lock(), CellStore(tmp_path / "b", "b", 1).lock():
            pass

    def test_a_file_system_without_locks_is_no_obstacle(self, store, monkeypatch):
        def refuse(*arguments):
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr("pairint.engine.store.fcntl.flock", refuse)
        with store.lock(), store.lock():
            pass


class TestTable:
    def test_order_columns_and_failed_cells(self):
        cells = [{"x": 1, "replicate": 0}, {"x": 2, "replicate": 0}, {"x": 3, "replicate": 0}]
        records = [
            {"rows": [{"e": "a", "v": 0.5}, {"e": "b", "w": 1.5}]},
            None,
            {"rows": [{"e": "a", "v": 2}]},
        ]
        table = make_table(cells, records, "demo", 1)
        assert list(table.columns) == ["x", "replicate", "e", "v", "w", "cell"]
        assert table["x"].tolist() == [1, 1, 3]
        assert table["cell"].tolist() == [cell_id("demo", 1, cells[i]) for i in (0, 0, 2)]
        assert table["w"].isna().tolist() == [True, False, True]

    def test_numbers_survive_to_the_last_bit(self):
        rng = np.random.default_rng(0)
        values = np.concatenate([rng.standard_normal(500) * 10.0 ** rng.integers(-300, 300, 500), [np.inf]])
        cells = [{"replicate": i} for i in range(len(values))]
        records = [{"rows": [{"v": float(value), "name": "None", "list": [1, 2]}]} for value in values]
        table = make_table(cells, records, "demo", 1)
        assert (table["v"].to_numpy() == values).all()
        assert set(table["name"]) == {"None"}  # a name, not a missing value
        assert set(table["list"]) == {"[1, 2]"}

    @pytest.mark.parametrize(
        "values",
        [
            [True, False],
            [1, -2],
            [1, 2.5],
            [1, None],
            [None, 0.5],
            ["a", None],
            ["nan", "x"],
            ["1_000", "1e"],
            [10**20, 1],
            [1e22, 1.5e-7],
            [math.nan, math.inf],
            [5e-324, -1.7976931348623157e308],
        ],
    )
    def test_types_come_back(self, values):
        cells = [{"replicate": i} for i in range(len(values))]
        records = [{"rows": [{"v": value}]} for value in values]
        column = make_table(cells, records, "demo", 1)["v"]
        for value, found in zip(values, column.tolist(), strict=True):
            if value is None or value != value:
                assert pd.isna(found)
            else:
                assert found == value
                assert isinstance(found, str | bool) == isinstance(value, str | bool)

    def test_a_column_has_one_type_however_long_it_is(self):
        """A word far below makes texts of all numbers above it, not of those in its neighbourhood."""
        others = ",".join(f"c{i}" for i in range(18))
        lines = [",".join("1" * 18) + ",7,c"] * 40_000 + [",".join("1" * 18) + ",auto,c"]
        column = parse_table("\n".join([f"{others},n_intervals,cell", *lines]) + "\n")["n_intervals"]
        assert {type(value) for value in column} == {str}

    def test_identities_stay_text(self, monkeypatch):
        monkeypatch.setattr("pairint.engine.tables.cell_id", lambda *arguments: "00000000001234567890")
        table = make_table([{"replicate": 0}], [{"rows": [{"v": 1}]}], "demo", 1)
        assert table["cell"].tolist() == ["00000000001234567890"]


class TestStored:
    @pytest.fixture
    def stored(self, tmp_path):
        outcome = sweep.execute(demo(), overrides={"replicates": 2})
        outcome.store(tmp_path, "pairint run demo --store")
        return tmp_path, outcome

    def test_what_is_loaded_is_what_was_computed(self, stored):
        folder, outcome = stored
        pd.testing.assert_frame_equal(load_table("demo", folder), outcome.table(), check_exact=True)
        assert stored_names(folder) == ["demo"]

    def test_provenance(self, stored):
        folder, outcome = stored
        record = load_provenance("demo", folder)
        assert record["experiment"] == "demo"
        assert record["settings"] == {"n_samples": [10, 20], "beta": 1.0, "replicates": 2}
        assert record["preset"] == "quick"
        assert record["root_seed"] == ROOT_SEED
        assert record["command"] == "pairint run demo --store"
        assert record["cells"] == len(outcome.cells) == len(record["cell_seconds"]) == 4
        assert record["rows"] == 8
        assert set(record["cell_seconds"]) == set(load_table("demo", folder)["cell"])
        (environment,) = record["environments"]
        assert environment["cells"] == 4
        assert environment["libraries"]["numpy"] == np.__version__
        assert environment["machine"]["cores"] >= 1
        assert "commit" in environment

    def test_wall_time_counts_busy_time_once(self, tmp_path):
        outcome = sweep.execute(demo(), overrides={"replicates": 2})
        spans = [(0, 10), (5, 12), (6, 8), (100, 103)]  # overlapping, nested, after a pause
        for record, (start, stop) in zip(outcome.records, spans, strict=True):
            record.update(finished=float(stop), seconds=float(stop - start))
        outcome.store(tmp_path)
        record = load_provenance("demo", tmp_path)
        assert record["wall_seconds"] == 15.0
        assert record["computing_seconds"] == 22.0
        assert (record["first_cell"], record["last_cell"]) == ("1970-01-01T00:00:00Z", "1970-01-01T00:01:43Z")

    def test_a_clock_that_was_wrong_for_a_while(self, tmp_path):
        """A cell of the next century does not date the run; where all are such, the clock here is wrong."""
        outcome = sweep.execute(demo(), overrides={"replicates": 2})
        for hour, record in enumerate(outcome.records):
            record.update(finished=3600.0 * (hour + 1), seconds=1.0)
        outcome.records[2]["finished"] = 4.8e9
        outcome.store(tmp_path)
        record = load_provenance("demo", tmp_path)
        assert (record["first_cell"], record["last_cell"]) == ("1970-01-01T00:59:59Z", "1970-01-01T04:00:00Z")
        for record in outcome.records:
            record["finished"] = 4.8e9
        outcome.store(tmp_path)
        assert load_provenance("demo", tmp_path)["last_cell"].startswith("2122-02-08")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes there")
    @pytest.mark.parametrize("file", ["table.csv", "SHA256SUMS"])
    def test_a_pipe_is_no_table(self, stored, file):
        folder, _ = stored
        (folder / "demo" / file).unlink()
        os.mkfifo(folder / "demo" / file)
        with pytest.raises(ResultsError, match="no stored results"):
            load_table("demo", folder)

    def test_a_table_without_measure_is_not_read(self, stored, monkeypatch):
        folder, _ = stored
        monkeypatch.setattr("pairint.engine.tables.MAX_BYTES", 300)
        with pytest.raises(ResultsError, match="larger than 300 bytes"):
            load_table("demo", folder)

    @pytest.mark.parametrize("file", ["table.csv", "provenance.json"])
    def test_an_edited_file_is_refused(self, stored, file):
        folder, _ = stored
        path = folder / "demo" / file
        path.write_text(path.read_text().replace("1", "2", 1))
        load = load_table if file == "table.csv" else load_provenance
        with pytest.raises(ResultsError, match="changed after it was written"):
            load("demo", folder)

    def test_the_sums_are_those_of_sha256sum(self, stored):
        folder, _ = stored
        for line in (folder / "demo" / "SHA256SUMS").read_text().splitlines():
            digest, name = line.split("  ")
            assert hashlib.sha256((folder / "demo" / name).read_bytes()).hexdigest() == digest

    def test_nothing_stored(self, tmp_path):
        with pytest.raises(ResultsError, match="pairint run demo --preset full --store"):
            load_table("demo", tmp_path)

    def test_an_unfinished_run_is_not_stored(self, tmp_path):
        outcome = sweep.execute(demo(raises=__file__), overrides={"replicates": 2})
        with pytest.raises(ResultsError, match="unfinished"):
            outcome.store(tmp_path)


@pytest.mark.slow
class TestExpectedSeconds:
    def test_measured_where_this_very_run_is_stored(self, tmp_path):
        experiment = demo()
        assert expected_seconds(experiment, "full", tmp_path) == 0.2
        sweep.execute(demo(seconds=0.05), "full").store(tmp_path)
        measured = load_provenance("demo", tmp_path)["computing_seconds"]
        assert expected_seconds(experiment, "full", tmp_path) == measured >= 1.2
        assert expected_seconds(experiment, "quick", tmp_path) == 0.1

    @pytest.mark.slow
    def test_declared_elsewhere(self, tmp_path):
        sweep.execute(demo(seconds=0.05), "full").store(tmp_path)
        assert expected_seconds(demo(version=2), "full", tmp_path) == 0.2
        assert expected_seconds(demo(replicates=5), "full", tmp_path) == 0.2
        (tmp_path / "demo" / "provenance.json").write_text("{}")  # not what the checksum says
        assert expected_seconds(demo(), "full", tmp_path) == 0.2
