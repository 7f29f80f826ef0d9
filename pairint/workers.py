"""Compute cells through joblib: in this process, in processes, or on a Dask cluster.

Linear algebra keeps to one thread per worker: workers do not fight for cores, and sums are added in
the same order however many workers there are.
"""

from __future__ import annotations

import concurrent.futures
import concurrent.futures.process
import contextlib
import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pairint._version import __version__
from pairint.experiments.base import plain
from pairint.provenance import environment

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


def compute(
    tasks: Sequence[Task], *, jobs: int = 1, scheduler: str | None = None, timeout: float = 30.0
) -> Iterator[Result]:
    """Compute cells and yield each result as soon as it is there, in any order.

    A cell that raises gives a result with the traceback under ``"error"``; so does one whose worker
    dies. The other cells are computed all the same.

    Parameters
    ----------
    tasks : sequence of (int, callable, dict)
    jobs : int
        Worker processes; 1 computes in this process, -1 uses every core. Ignored with a scheduler.
    scheduler : str, optional
        Address of a Dask scheduler.
    timeout : float
        Seconds to wait for the scheduler, and for its first worker.

    Raises
    ------
    SchedulerError
    """
    if scheduler is not None:
        return _on_dask(tasks, scheduler, timeout)
    return _here(tasks) if jobs == 1 else _on_processes(tasks, jobs)


def _compute_cell(index: int, compute: Callable, cell: dict[str, Any]) -> Result:
    """Compute one cell; an exception is a result too."""
    _one_thread()
    start = time.perf_counter()
    try:
        rows = _checked_rows(compute(dict(cell)), cell)
    except (Exception, SystemExit):
        return index, {"error": traceback.format_exc()}
    seconds = time.perf_counter() - start
    return index, {"rows": rows, "seconds": seconds, "finished": time.time(), "environment": environment()}


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


def _here(tasks: Sequence[Task]) -> Iterator[Result]:
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


def _on_processes(tasks: Sequence[Task], jobs: int) -> Iterator[Result]:
    """Compute in worker processes; a worker that dies costs the cell it was computing, no more."""
    from joblib import cpu_count

    jobs = cpu_count() if jobs == -1 else jobs
    pending = {task[0]: task for task in tasks}
    while pending:
        try:
            for result in _pool(list(pending.values()), jobs):
                del pending[result[0]]
                yield result
        except concurrent.futures.process.BrokenProcessPool:
            # The pool cannot say which cell killed its worker. It was one of those handed out, the
            # first in line: each of them now gets a pool of its own.
            for index in list(pending)[: 2 * jobs + 1]:
                task = pending.pop(index)
                try:
                    yield from _pool([task], jobs)
                except concurrent.futures.process.BrokenProcessPool:
                    yield index, {"error": _DEATH}


def _pool(tasks: Sequence[Task], jobs: int) -> Iterator[Result]:
    from joblib import Parallel, delayed, parallel_config

    # One cell per batch: a finished cell reaches the disk at once, not when its batch is full.
    with parallel_config(backend="loky", inner_max_num_threads=1):
        yield from Parallel(n_jobs=max(jobs, 2), batch_size=1, return_as="generator_unordered")(
            delayed(_compute_cell)(*task) for task in tasks
        )


def _on_dask(tasks: Sequence[Task], address: str, timeout: float) -> Iterator[Result]:
    from joblib import Parallel, delayed, parallel_config

    with _client(address, timeout) as client, parallel_config(backend=_dask_backend(client)):
        # All cells are handed over at once, so that an adaptive cluster sees how much there is to do.
        yield from Parallel(batch_size=1, pre_dispatch="all", return_as="generator_unordered")(
            delayed(_compute_cell)(*task) for task in tasks
        )


@contextlib.contextmanager
def _client(address: str, timeout: float) -> Iterator[Client]:
    try:
        from distributed import Client
    except ImportError as error:
        raise SchedulerError("a scheduler needs Dask: pip install 'pairint[dask]'") from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=timeout, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise SchedulerError(
            f"no Dask scheduler answers at {address} within {timeout:g} s; is the address right, is the "
            f"scheduler running, can this machine reach it? ({type(error).__name__}: {error})"
        ) from error
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


def _package_version() -> str:
    return __version__


def _dask_backend(client: Client) -> Any:
    """Return joblib's Dask backend, which here also reports cells that the cluster gave up on.

    The one of joblib never calls back for a future in error (a cell whose worker died again and
    again, code that a worker cannot load), and waits for it for ever.
    """
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):
        def submit(self, func: Any, callback: Callable | None = None) -> Any:
            ((_, arguments, _),) = func.items
            future = super().submit(func, callback)

            def report(done: concurrent.futures.Future) -> None:
                error = done.exception()
                if error is not None:
                    text = f"the cluster gave up on this cell: {type(error).__name__}: {error}"
                    callback([(arguments[0], {"error": text})])

            future.add_done_callback(report)
            return future

    return Backend(client=client)
