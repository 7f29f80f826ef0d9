"""Dask: the same results, lost workers survived, lost schedulers reported."""

import os
import signal
import sys
import threading
import time

import pandas as pd
import pytest
from engine_demo import computed, demo

from pairint.engine import sweep, workers

pytestmark = pytest.mark.slow

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes, and little patience with the dead."""
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "3s"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as running,
    ):
        yield running


@pytest.fixture
def log(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def reference():
    return sweep.run(demo())


def same(left, right):
    pd.testing.assert_frame_equal(left, right, check_exact=True)


def stored(folder):
    return list((folder / "demo" / "cells").glob("*.json"))


def test_costly_cells_start_first(log):
    """On one worker with one thread the order of starts is that of the lines written."""
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as single:
        sizes = list(range(10, 22))
        sweep.execute(
            demo(log), scheduler=single.scheduler_address, overrides={"n_samples": sizes, "replicates": 1}
        )
    (file,) = log.glob("*.log")
    assert [int(line.split()[0]) for line in file.read_text().splitlines()] == sizes[::-1]


def test_the_same_results_from_other_processes(cluster, log, tmp_path, reference):
    outcome = sweep.execute(demo(log), scheduler=cluster.scheduler_address, out=tmp_path)
    same(outcome.table(), reference)
    assert outcome.computed == 8
    assert f"{os.getpid()}.log" not in os.listdir(log)
    assert set(computed(log).values()) == {1}
    assert sweep.execute(demo(log), scheduler=cluster.scheduler_address, out=tmp_path).reused == 8


def test_failures_are_recorded(cluster, tmp_path):
    raises = tmp_path / "raises"
    raises.touch()
    outcome = sweep.execute(demo(raises=raises), scheduler=cluster.scheduler_address, out=tmp_path)
    assert (outcome.computed, len(outcome.failures)) == (6, 2)
    assert all("FloatingPointError" in error for _, error in outcome.failures)


def test_code_that_workers_cannot_load_is_a_failure_not_a_hang(cluster):
    class Unloadable:
        def __call__(self, cell):
            raise AssertionError("never called")

        def __reduce__(self):
            return os.mkdir, ("/nonexistent/folder",)

    import dataclasses

    experiment = dataclasses.replace(demo(), compute=Unloadable())
    outcome = sweep.execute(experiment, scheduler=cluster.scheduler_address)
    assert len(outcome.failures) == 8
    assert "cluster gave up" in outcome.failures[0][1]


def test_a_lost_worker_is_survived(cluster, log, tmp_path, reference):
    """Killed in the middle of a cell, a worker is replaced and its cell computed elsewhere."""
    cluster.wait_for_workers(2, timeout=60)
    victim = next(worker.process.pid for worker in cluster.workers.values())

    def kill():
        while sum(computed(log).values()) < 2:
            if stop.wait(0.02):
                return
        os.kill(victim, signal.SIGKILL)

    stop = threading.Event()
    killer = threading.Thread(target=kill)
    killer.start()
    try:
        outcome = sweep.execute(demo(log, seconds=0.3), scheduler=cluster.scheduler_address, out=tmp_path)
    finally:
        stop.set()
        killer.join()
    assert not outcome.failures
    same(outcome.table(), reference)
    with pytest.raises(ProcessLookupError):
        os.kill(victim, 0)


def test_a_cell_that_kills_every_worker_is_given_up(cluster, tmp_path):
    cluster.wait_for_workers(2, timeout=60)
    dies = tmp_path / "dies"
    dies.touch()
    cluster.scheduler.allowed_failures = 0
    outcome = sweep.execute(
        demo(dies=dies), scheduler=cluster.scheduler_address, overrides={"n_samples": [10]}, timeout=90
    )
    # Dask may blame cells that waited on the dead worker as well; the others go on.
    assert 1 in {cell["replicate"] for cell, _ in outcome.failures}
    assert all("KilledWorker" in error for _, error in outcome.failures)
    assert outcome.computed == 4 - len(outcome.failures) >= 1


class TestSchedulers:
    def test_unreachable(self, tmp_path):
        with pytest.raises(workers.SchedulerError, match="no Dask scheduler answers at tcp://127"):
            sweep.run(demo(), scheduler="tcp://127.0.0.1:1", timeout=0.5, out=tmp_path)

    @pytest.mark.parametrize("address", ["", "nonsense", "localhost:8786", "tcp://host", "tcp://host:port"])
    def test_no_address(self, address):
        with pytest.raises(workers.SchedulerError, match="must be an address like tcp://host:8786"):
            sweep.run(demo(), scheduler=address, timeout=0.5)

    def test_without_dask(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "distributed", None)
        with pytest.raises(workers.SchedulerError, match="a scheduler needs Dask: pip install"):
            sweep.run(demo(), scheduler="tcp://127.0.0.1:1", timeout=0.5)

    def test_no_workers(self):
        with (
            distributed.LocalCluster(n_workers=0, dashboard_address=":0") as empty,
            pytest.raises(workers.SchedulerError, match="has no worker after"),
        ):
            sweep.run(demo(), scheduler=empty.scheduler_address, timeout=0.5)

    def test_workers_that_go_and_do_not_come_back(self, log, tmp_path):
        """The run ends, says so, and goes on later where it was."""
        with distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as shrinking:

            def shrink():
                while not stored(tmp_path):
                    if stop.wait(0.02):
                        return
                shrinking.scale(0)

            stop = threading.Event()
            shrinker = threading.Thread(target=shrink)
            shrinker.start()
            try:
                with pytest.raises(workers.SchedulerError, match="had no worker left for 2 s"):
                    sweep.run(
                        demo(log, seconds=0.4), scheduler=shrinking.scheduler_address, out=tmp_path, timeout=2
                    )
            finally:
                stop.set()
                shrinker.join()
        outcome = sweep.execute(demo(log), out=tmp_path)
        assert outcome.reused >= 1
        assert not outcome.failures

    def test_a_scheduler_that_dies(self, log, tmp_path):
        with distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as doomed:

            def close():
                while not stored(tmp_path):
                    if stop.wait(0.02):
                        return
                doomed.sync(doomed.scheduler.close)

            stop = threading.Event()
            closer = threading.Thread(target=close)
            closer.start()
            try:
                with pytest.raises(workers.SchedulerError, match="the connection to the scheduler"):
                    sweep.run(
                        demo(log, seconds=0.4), scheduler=doomed.scheduler_address, out=tmp_path, timeout=5
                    )
            finally:
                stop.set()
                closer.join()
        assert sweep.execute(demo(log), out=tmp_path).reused >= 1

    @pytest.mark.parametrize(
        ("who", "message"),
        [
            ("scheduler", "connection to the scheduler"),
            ("workers", "no worker left for 2 s"),
            ("client", "connection to the scheduler"),  # as our own watch does it, in its thread
            ("wire", "connection to the scheduler"),
        ],
    )
    def test_lost_while_a_result_is_on_its_way(self, monkeypatch, who, message):
        """A cell is finished, but what has computed it is gone before its rows are fetched."""
        from distributed.comm import CommClosedError

        with distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as doomed:
            fetch = distributed.Future.result

            def lose(future, timeout=None):
                monkeypatch.undo()
                if who == "wire":
                    raise CommClosedError("Connection reset by peer")
                if who == "client":
                    future.client.close()
                elif who == "scheduler":
                    doomed.sync(doomed.scheduler.close)
                else:
                    doomed.scale(0)
                    while doomed.scheduler.workers:
                        time.sleep(0.02)
                return fetch(future, timeout)

            monkeypatch.setattr(distributed.Future, "result", lose)
            with pytest.raises(workers.SchedulerError, match=message):
                sweep.run(demo(seconds=0.2), scheduler=doomed.scheduler_address, timeout=2)
