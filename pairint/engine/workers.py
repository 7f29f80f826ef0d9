"""Compute cells: in this process, in processes through joblib, or on a Dask cluster.

Linear algebra keeps to one thread per worker: workers do not fight for cores, and sums are added in
the same order however many workers there are.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import logging
import os
import socket
import sys
import threading
import time
import traceback
import urllib.parse
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pairint._version import __version__
from pairint.engine.cells import plain
from pairint.engine.provenance import environment
from pairint.steps import progress

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["SchedulerError", "compute"]

#: A cell to compute: its number, the function, its parameters.
Task = tuple[int, Callable[[dict[str, Any]], list[dict[str, Any]]], dict[str, Any]]
#: Its number with ``rows``, ``seconds``, ``finished`` and ``environment``, or with ``error``.
Result = tuple[int, dict[str, Any]]


_DEATH = (
    "the worker process died on this cell: killed, perhaps for lack of memory, or a crash in compiled code"
)


class SchedulerError(RuntimeError):
    """The Dask scheduler cannot be reached, has no workers, or went away."""

    exit_code = 4


def compute(
    tasks: Sequence[Task], *, jobs: int = 1, scheduler: str | None = None, timeout: float = 60.0
) -> Generator[Result]:
    """Compute cells and yield each result as soon as it is there, in any order.

    A cell that raises gives a result with the traceback under ``"error"``; so does one whose worker
    dies. The other cells are computed all the same.

    Parameters
    ----------
    tasks : sequence of (int, callable, dict)
    jobs : int
        Worker processes; 1 computes in this process, -1 uses every core. Ignored with a scheduler. Where no
        processes can work together (in a browser, without shared memory), all is computed in this one, and a
        warning says so.
    scheduler : str, optional
        Address of a Dask scheduler.
    timeout : float
        Seconds to wait for the scheduler, and for a worker when it has none.

    Raises
    ------
    SchedulerError
    """
    if scheduler is not None:
        return _on_dask(tasks, scheduler, timeout)
    if jobs != 1 and not _has_processes():
        if jobs != -1:
            warnings.warn(
                f"no processes can work together here: jobs={jobs} computes cell after cell", stacklevel=2
            )
        jobs = 1
    return _here(tasks) if jobs == 1 else _on_processes(tasks, jobs)


def _has_processes() -> bool:
    """Say whether processes can work together here.

    In WebAssembly none can be started; without shared memory, as in some containers, they cannot wait for
    each other, and joblib gives up with an error that names neither.
    """
    if sys.platform in ("emscripten", "wasi"):
        return False
    try:
        import concurrent.futures.process  # noqa: F401  what it needs is missing in WebAssembly
        import multiprocessing

        multiprocessing.Semaphore()
    except (ImportError, OSError):
        return False
    return True


def _compute_cell(index: int, compute: Callable, cell: dict[str, Any], parent: int | None = None) -> Result:
    """Compute one cell; an exception is a result too. A worker process ends with its ``parent``."""
    if parent is not None:
        _end_with(parent)
    _one_thread()
    start = time.perf_counter()
    try:
        with progress(False):  # the run has its own
            rows = _checked_rows(compute(dict(cell)), cell)
    except (Exception, SystemExit):
        return index, {"error": traceback.format_exc()}
    seconds = time.perf_counter() - start
    return index, {"rows": rows, "seconds": seconds, "finished": time.time(), "environment": environment()}


@functools.cache
def _end_with(parent: int) -> None:
    """End this process soon after its parent, of whatever death.

    Left alone, it would go on with cells whose results nobody collects, beside the run that resumes.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="pairint-parent", daemon=True).start()


def _checked_rows(rows: Any, cell: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not isinstance(rows, list) or not rows or not all(isinstance(row, Mapping) for row in rows):
        raise TypeError(f"compute must return a list of rows (dictionaries), got {rows!r}")
    rows = [plain(row) for row in rows]
    for row in rows:
        clash = [key for key in row if key == "cell" or (key in cell and row[key] != cell[key])]
        if clash:
            raise ValueError(f"a row contradicts its cell in {', '.join(clash)}: {row}")
    return rows


_modules_seen = 0


def _one_thread() -> None:
    """Keep linear algebra to one thread in this worker.

    Libraries loaded since the last cell bring their own pools, so this is done again whenever
    modules were imported; looking for pools costs a millisecond, too much for every cell.
    """
    global _modules_seen
    if len(sys.modules) == _modules_seen:
        return
    import scipy.linalg  # noqa: F401  SciPy brings its own BLAS: load it before the limit is set
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)
    _modules_seen = len(sys.modules)


def _here(tasks: Sequence[Task]) -> Generator[Result]:
    """Compute in this process, and give it its threads back afterwards."""
    global _modules_seen
    import scipy.linalg  # noqa: F401  as in _one_thread
    from joblib import Parallel, delayed
    from threadpoolctl import threadpool_limits

    with threadpool_limits():  # restores, on leaving, the limits found on entering
        _modules_seen = 0
        yield from Parallel(n_jobs=1, return_as="generator_unordered")(
            delayed(_compute_cell)(*task) for task in tasks
        )
    _modules_seen = 0


def _on_processes(tasks: Sequence[Task], jobs: int) -> Generator[Result]:
    """Compute in worker processes; a worker that dies costs the cell it was computing, no more."""
    from concurrent.futures.process import BrokenProcessPool

    from joblib import cpu_count

    jobs = min(cpu_count() if jobs == -1 else jobs, len(tasks))
    pending = {task[0]: task for task in tasks}
    while pending:
        try:
            for result in _pool(list(pending.values()), jobs):
                del pending[result[0]]
                yield result
        except BrokenProcessPool:
            # The pool cannot say which cell killed its worker. It was one of those handed out, the
            # first in line: each of them now gets a pool of its own.
            for index in list(pending)[: 2 * jobs + 1]:
                task = pending.pop(index)
                try:
                    yield from _pool([task], jobs)
                except BrokenProcessPool:
                    yield index, {"error": _DEATH}


def _pool(tasks: Sequence[Task], jobs: int) -> Generator[Result]:
    from joblib import Parallel, delayed, parallel_config

    # One cell per batch: a finished cell reaches the disk at once, not when its batch is full.
    with parallel_config(backend="loky", inner_max_num_threads=1):
        yield from Parallel(n_jobs=max(jobs, 2), batch_size=1, return_as="generator_unordered")(
            delayed(_compute_cell)(*task, parent=os.getpid()) for task in tasks
        )


def _on_dask(tasks: Sequence[Task], address: str, timeout: float) -> Generator[Result]:
    """Compute on a Dask cluster; a lost worker's cells go to the others, a lost scheduler ends the run."""
    try:
        from distributed import as_completed
    except ImportError as error:
        raise SchedulerError("a scheduler needs Dask: pip install 'pairint[dask]'") from error

    with _quiet_dask(), _client(address, timeout) as client, _watch(client, timeout) as idle:
        # All cells are handed over at once: an adaptive cluster sees how much there is to do.
        numbers = [task[0] for task in tasks]
        futures = client.map(_compute_cell, *zip(*tasks, strict=True), pure=False)
        index_of = dict(zip((future.key for future in futures), numbers, strict=True))
        try:
            for future in as_completed(futures, loop=client.loop):
                if future.status == "error":
                    cause = future.exception()
                    text = f"the cluster gave up on this cell: {type(cause).__name__}: {cause}"
                    yield index_of[future.key], {"error": text}
                else:  # a future that is cancelled says so here, one whose result is lost on its way as well
                    yield future.result()
        except (concurrent.futures.CancelledError, RuntimeError, OSError) as error:
            # A client that is closed between the news of a result and its fetching has no loop any more; a
            # scheduler that dies just then cuts the connection.
            if isinstance(error, RuntimeError) and client.status not in ("closing", "closed"):
                raise
            what = (
                f"the scheduler at {address} had no worker left for {timeout:g} s"
                if idle.is_set()
                else f"the connection to the scheduler at {address} was lost"
            )
            raise SchedulerError(
                f"{what}; cells finished before are kept, and running again goes on from there"
            ) from error


@contextlib.contextmanager
def _watch(client: Client, timeout: float) -> Iterator[threading.Event]:
    """Close the client, and set the event, once the cluster has been without a worker for too long."""
    idle, done = threading.Event(), threading.Event()

    def watch() -> None:
        seen = time.monotonic()
        while not done.wait(min(timeout / 4, 5.0)):
            try:
                workers = client.nthreads()
            except (OSError, RuntimeError, ValueError, TimeoutError):
                return  # the connection is gone: the futures say so themselves
            if workers:
                seen = time.monotonic()
            elif time.monotonic() - seen > timeout:
                idle.set()
                client.close()
                return

    thread = threading.Thread(target=watch, name="pairint-watch", daemon=True)
    thread.start()
    try:
        yield idle
    finally:
        done.set()
        thread.join(timeout=5.0)


@contextlib.contextmanager
def _quiet_dask() -> Iterator[None]:
    """Keep Dask from printing what is reported here as one error with one sentence."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _client(address: str, timeout: float) -> Iterator[Client]:
    from distributed import Client

    _wait_for_scheduler(address, timeout)
    try:
        client = Client(address, timeout=timeout, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise SchedulerError(f"what answers at {address} is no Dask scheduler: {error}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=timeout)
        except TimeoutError as error:
            raise SchedulerError(f"the scheduler at {address} has no worker after {timeout:g} s") from error
        try:
            versions = client.run(_package_version)
        except Exception as error:  # whatever kept the workers from importing the package
            raise SchedulerError(f"the workers of {address} cannot import pairint: {error}") from error
        others = sorted(set(versions.values()) - {__version__})
        if others:
            raise SchedulerError(f"workers of {address} run pairint {', '.join(others)}, not {__version__}")
        yield client


def _wait_for_scheduler(address: str, timeout: float) -> None:
    """Return once something listens at the address: asking Dask first leaves half-made clients behind."""
    url = urllib.parse.urlsplit(address)
    try:
        host, port = url.hostname, url.port
    except ValueError:
        host, port = None, None
    if url.scheme not in ("tcp", "tls") or not host or not port:
        raise SchedulerError(f"scheduler must be an address like tcp://host:8786, got {address!r}")
    end = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection((host, port), timeout=max(end - time.monotonic(), 0.1)).close()
            return
        except OSError as error:
            if time.monotonic() + 0.5 > end:
                raise SchedulerError(
                    f"no Dask scheduler answers at {address} within {timeout:g} s: is the address right, is "
                    f"the scheduler running, can this machine reach it? ({error.strerror or error})"
                ) from error
        time.sleep(0.5)


def _package_version() -> str:
    return __version__
