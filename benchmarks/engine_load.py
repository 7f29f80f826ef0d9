"""What the engine loses when all goes wrong: workers killed, a scheduler lost, a disk full, a run stopped.

    python benchmarks/engine_load.py [--cells 10000] [--times 20] [--seed 1] [--only WORD ...]
                                     [--output pairint/experiments/measured/engine_load.json] [--check]

Each trial breaks something while cells are computed, runs the same command again until it says that all is
done, and then looks: is each cell there, are all numbers those of an undisturbed run, how many cells were
computed more than once, what lies about. The runs are those of ``pairint run``, in processes of their own,
so the exit codes are the ones that scripts see. A full disk is a small tmpfs, which takes the right to mount
one; a clock that is set back, and a file system without locks, are played to the process (``time.time``,
``flock``).

With ``--only``, only trials with one of these words in their name are made, and take the place of the earlier
ones in the output. With ``--check`` the exit status is 1 if anything was lost, damaged or different, or an
exit code is another than the documented one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pairint.engine import provenance, sweep
from pairint.engine.cells import grid
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for

OUTPUT = Path(__file__).parents[1] / "pairint" / "experiments" / "measured" / "engine_load.json"
NAME = "engine_load"
PATIENCE = 3600  # seconds until a process that should have ended counts as hanging


def experiment(cells: int, seconds: float, log: str | None = None) -> Experiment:
    """Return an experiment of short cells that leave a line in ``log`` each time they are computed."""

    def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
        import os
        import time

        draws = generator_for(cell, ["size"]).standard_normal(cell["size"])
        time.sleep(seconds)
        if log is not None:
            with open(os.path.join(log, str(os.getpid())), "a", encoding="utf-8") as file:
                file.write(f"{cell['replicate']}\n")
        return [{"estimator": "mean", "error": float(draws.mean() ** 2)}]

    def plot(table: Any) -> Any:
        from matplotlib.figure import Figure

        return Figure(figsize=(1, 1))

    settings = {"size": [50], "replicates": cells}
    return Experiment(
        name=NAME,
        title="Short cells",
        source="none",
        version=1,
        presets={"quick": settings, "full": settings},
        cells=lambda s: grid(size=s["size"], replicate=range(s["replicates"])),
        compute=compute,
        plot=plot,
        claims=lambda table: [],
        expected_seconds={"quick": 1.0, "full": 1.0},
        data_keys=("size",),
    )


def child(options: dict[str, Any], arguments: list[str]) -> int:
    """Be ``pairint``, with the experiment registered and the world as ``options`` has it."""
    from pairint import cli
    from pairint.experiments import registry

    # As in a terminal: what was started in the background may have been told to ignore them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if clock := options.get("clock"):
        true = time.time
        time.time = lambda: true() + clock
    if options.get("no_locks"):
        import errno
        import fcntl

        def refuse(*_: Any) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        fcntl.flock = refuse
    if "largest_file" in options:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (options["largest_file"], resource.RLIM_INFINITY))
    registry.register(experiment(options["cells"], options["seconds"], options["log"]))
    return cli.main(arguments)


@dataclass
class Trial:
    """A folder of results, and what was done to it."""

    cells: int
    seconds: float
    folder: Path
    rng: random.Random
    codes: Counter[int] = field(default_factory=Counter)
    disturbed: int = 0
    seen: Counter[str] = field(default_factory=Counter)  # what was looked at before a folder was emptied

    def __post_init__(self) -> None:
        self.log = self.folder / "log"
        self.out = self.folder / "out"
        self.log.mkdir(parents=True)

    def start(self, *extra: str, jobs: int = 2, **options: Any) -> subprocess.Popen[bytes]:
        """Start a run in a process group of its own."""
        world = {"cells": self.cells, "seconds": self.seconds, "log": str(self.log), **options}
        command = [sys.executable, __file__, "--child", json.dumps(world)]
        command += ["run", NAME, "--jobs", str(jobs), "--out", str(self.out), *extra]
        with (self.folder / "said").open("ab") as said:
            return subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)

    def end(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for a run; a hanging one is killed, and counted under the exit code -999."""
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = -999
        self.codes[code] += 1
        return code

    def finish(self, *extra: str, jobs: int = 2, **options: Any) -> None:
        """Run again, undisturbed, until all is done."""
        for _ in range(5):
            if self.end(self.start(*extra, jobs=jobs, **options)) == 0:
                return

    def done(self) -> int:
        """Return how many cells are finished."""
        with contextlib.suppress(FileNotFoundError):
            return sum(name.endswith(".json") for name in os.listdir(self.out / NAME / "cells"))
        return 0

    def wait_for(self, count: int, process: subprocess.Popen[bytes]) -> bool:
        """Wait until so many cells are finished; say whether the run is still alive then."""
        while process.poll() is None and self.done() < count:
            time.sleep(0.005)
        return process.poll() is None


def children(pid: int) -> list[int]:
    """Return the processes below a process."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = Path(f"/proc/{entry}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
                parents[int(entry)] = int(fields[1])
    found, new = [], [pid]
    while new:
        new = [each for each, parent in parents.items() if parent in new]
        found += new
    return found


def workers(pid: int) -> list[int]:
    """Return the processes below a run in which cells are computed."""
    found = []
    for each in children(pid):
        with contextlib.suppress(OSError):
            if (
                b"popen_loky" in (words := Path(f"/proc/{each}/cmdline").read_bytes())
                or b"spawn_main" in words
            ):
                found.append(each)
    return found


def kill_workers(trial: Trial, process: subprocess.Popen[bytes], root: int, times: int) -> None:
    """Kill a worker now and then while a run is alive."""
    while trial.disturbed < times and process.poll() is None:
        time.sleep(trial.rng.uniform(0.2, 2.0))
        alive = workers(root)
        if alive and process.poll() is None and trial.done() > 0:
            with contextlib.suppress(ProcessLookupError):
                os.kill(trial.rng.choice(alive), signal.SIGKILL)
                trial.disturbed += 1


def undisturbed(trial: Trial, times: int) -> None:
    trial.finish()


def killed_workers(trial: Trial, times: int) -> None:
    process = trial.start()
    kill_workers(trial, process, process.pid, times)
    if trial.end(process) != 0:
        trial.finish()


def stopped(how: signal.Signals, whole_group: bool = False) -> Callable[[Trial, int], None]:
    def stop(trial: Trial, times: int) -> None:
        for count in range(times):
            process = trial.start()
            if trial.wait_for((count + 1) * trial.cells // (times + 2), process):
                time.sleep(trial.rng.uniform(0, 0.05))
                with contextlib.suppress(ProcessLookupError):
                    (os.killpg if whole_group else os.kill)(process.pid, how)
                    trial.disturbed += 1
            trial.end(process)
        trial.finish()

    return stop


def two_runs(together: bool, **options: Any) -> Callable[[Trial, int], None]:
    def both(trial: Trial, times: int) -> None:
        for _ in range(times):
            # The first one must still be at work when the second has started.
            first = trial.start(jobs=1, **({} if together else {"seconds": 0.5}), **options)
            if not together:
                trial.wait_for(trial.done() + 3, first)
            second = trial.start(jobs=1, **options)
            trial.disturbed += 1
            if not together:
                trial.end(second)
                os.kill(first.pid, signal.SIGKILL)  # its folder is free again, whatever its end
                first.wait()
            else:
                trial.end(second)
                trial.end(first)
                trial.seen.update(counted(trial))
                shutil.rmtree(trial.out)
                for each in trial.log.iterdir():
                    each.unlink()
        trial.finish(jobs=1, **options)

    return both


def full_disk(trial: Trial, times: int) -> None:
    """Leave room for some more cells each time; then for all."""
    shutil.rmtree(trial.out, ignore_errors=True)
    trial.out.mkdir()
    size = 2**24 + 2**13 * trial.cells
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(trial.out)], check=True)
    try:
        ballast, page = trial.out / "ballast", 4096
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(page)) == page:
                pass
        for count in range(times):
            if count:  # at first there is no room at all
                os.truncate(ballast, max(0, ballast.stat().st_size - page * (trial.cells // (times + 1))))
            if trial.end(trial.start(jobs=1 + count % 2)) != 0:
                trial.disturbed += 1
        ballast.unlink()
        trial.finish()
        kept = trial.folder / "kept"
        shutil.copytree(trial.out, kept)
    finally:
        subprocess.run(["umount", str(trial.out)], check=True)
    shutil.rmtree(trial.out)
    kept.rename(trial.out)


def small_files(trial: Trial, times: int) -> None:
    for count in range(times):
        if trial.end(trial.start(jobs=1 + count % 2, largest_file=0)) != 0:
            trial.disturbed += 1
    trial.finish()


def clock(trial: Trial, times: int) -> None:
    """Stop a run and go on with a clock that is years off; give the files times to come, too."""
    for count in range(times):
        years = trial.rng.uniform(-40, 40)
        process = trial.start(clock=years * 365.25 * 86400)
        if trial.wait_for((count + 1) * trial.cells // (times + 2), process):
            os.kill(process.pid, signal.SIGKILL)
            trial.disturbed += 1
        trial.end(process)
        for path in (trial.out / NAME / "cells").glob("*.json"):
            when = time.time() + trial.rng.uniform(-1e9, 1e9)
            os.utime(path, (when, when))
    trial.finish(clock=-10 * 365.25 * 86400)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def cluster(port: int) -> Iterator[tuple[subprocess.Popen[bytes], list[subprocess.Popen[bytes]]]]:
    """Start a Dask scheduler and two workers, each watched over by a nanny; end them."""
    quiet: dict[str, Any] = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        "start_new_session": True,
    }
    dask = [sys.executable, "-m", "dask"]
    address = f"tcp://127.0.0.1:{port}"
    folder = tempfile.mkdtemp()
    common = [*dask, "worker", address, "--nthreads", "1", "--no-dashboard", "--local-directory", folder]
    scheduler = subprocess.Popen(
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"], **quiet
    )
    started = [subprocess.Popen(common, **quiet) for _ in range(2)]
    try:
        yield scheduler, started
    finally:
        everyone = [scheduler, *started]
        below = [each for process in everyone for each in children(process.pid)]
        for process in everyone:
            process.kill()
        for each in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        for process in everyone:
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def dask_workers(trial: Trial, times: int) -> None:
    port = free_port()
    with cluster(port) as (_, started):
        process = trial.start("--scheduler", f"tcp://127.0.0.1:{port}")
        turn = 0
        while trial.disturbed < times and process.poll() is None:
            kill_workers(trial, process, started[turn % 2].pid, trial.disturbed + 1)
            turn += 1
        if trial.end(process) != 0:
            trial.finish("--scheduler", f"tcp://127.0.0.1:{port}")


def dask_scheduler(trial: Trial, times: int) -> None:
    """Lose the scheduler; its workers lose it too. It comes back at the same address."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    for count in range(times):
        with cluster(port) as (scheduler, _):
            process = trial.start("--scheduler", address)
            if trial.wait_for((count + 1) * trial.cells // (times + 2), process):
                scheduler.kill()
                trial.disturbed += 1
            trial.end(process)
    with cluster(port):
        trial.finish("--scheduler", address)


@dataclass(frozen=True)
class Case:
    """A way to break things: cells and times relative to those asked for, and the codes that may come."""

    what: str
    act: Callable[[Trial, int], None]
    share: float = 0.1  # of the cells
    often: float = 1.0  # of the times
    codes: frozenset[int] = frozenset({0})
    seconds: float = 0.002


CASES = (
    Case("nothing, two processes", undisturbed, 1.0),
    Case("workers killed at random, two processes", killed_workers, 1.0, 1.0, frozenset({0, 1})),
    Case("workers of a Dask cluster killed at random", dask_workers, 1.0, 0.5, frozenset({0, 1})),
    Case("the Dask scheduler killed, and started anew", dask_scheduler, 0.1, 0.2, frozenset({0, 4})),
    Case("the run killed (SIGKILL)", stopped(signal.SIGKILL), codes=frozenset({0, -9})),
    Case("the run ended (SIGTERM)", stopped(signal.SIGTERM), codes=frozenset({0, -15})),
    Case("Ctrl-C, to all processes", stopped(signal.SIGINT, True), codes=frozenset({0, 130})),
    Case("the terminal closed (SIGHUP)", stopped(signal.SIGHUP, True), codes=frozenset({0, -1})),
    Case("a disk that fills, and is freed", full_disk, 0.1, 0.5, frozenset({0, 3})),
    Case("no file may grow", small_files, 0.02, 0.2, frozenset({0, 3})),
    Case("a second run in the folder, while one is at work", two_runs(False), 0.1, 0.5, frozenset({0, 3})),
    Case("two runs started together", two_runs(True), 0.02, 0.5, frozenset({0, 3})),
    Case(
        "two runs started together, on a file system without locks", two_runs(True, no_locks=True), 0.02, 0.5
    ),
    Case("the clock set to and fro by decades", clock, 0.1, 0.5, frozenset({0, -9})),
)


def counted(trial: Trial) -> dict[str, int]:
    """Count what has become of the cells in the folder of a trial."""
    subject = experiment(trial.cells, 0.0)
    damaged: list[str] = []
    outcome = sweep.execute(subject, out=trial.out, warn=damaged.append)
    expected = sweep.execute(subject).table()
    computed = Counter(line for path in trial.log.iterdir() for line in path.read_text("utf-8").splitlines())
    return {
        "cells": trial.cells,
        "lost": trial.cells - outcome.reused - len(damaged),
        "damaged": len(damaged),
        "other_numbers": int((outcome.table()["error"] != expected["error"]).sum()),
        "computed_again": sum(computed.values()) - len(computed),
        "left_behind": sum(1 for path in trial.out.rglob("*.tmp")),
    }


def look(trial: Trial) -> dict[str, Any]:
    """Say what has become of all cells of a trial, and with which exit codes its runs ended."""
    trial.seen.update(counted(trial))
    codes = {str(code): count for code, count in sorted(trial.codes.items())}
    return {"disturbed": trial.disturbed, "exit_codes": codes, **trial.seen}


def wrong(row: dict[str, Any], codes: frozenset[int]) -> bool:
    """Say whether something was lost, or an exit code is not the documented one."""
    strange = {int(code) for code in row["exit_codes"]} - codes
    return bool(row["lost"] or row["damaged"] or row["other_numbers"] or strange)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[""])
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    rows, bad, load = [], False, provenance.load()
    for case in CASES:
        if not any(word in case.what for word in options.only):
            continue
        if case.act is full_disk and os.geteuid() != 0:
            print(f"not tried, for want of the right to mount: {case.what}", flush=True)
            continue
        cells = max(20, round(case.share * options.cells))
        times = max(1, round(case.often * options.times))
        with tempfile.TemporaryDirectory() as folder:
            trial = Trial(cells, case.seconds, Path(folder) / "trial", rng)
            case.act(trial, times)
            row = {"what": case.what, **look(trial)}
            if wrong(row, case.codes):
                bad = True
                print((trial.folder / "said").read_text("utf-8", "replace")[-3000:], file=sys.stderr)
        rows.append(row)
        print(json.dumps(row), flush=True)
    if options.only != [""] and options.output.is_file():
        made = {row["what"]: row for row in json.loads(options.output.read_text("utf-8"))["trials"]}
        made |= {row["what"]: row for row in rows}
        rows = [made[case.what] for case in CASES if case.what in made]
    asked = {"cells": options.cells, "times": options.times, "seed": options.seed}
    record = provenance.measurement("engine_load", load, options=asked, trials=rows)
    options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return int(bad and options.check)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        sys.exit(child(json.loads(sys.argv[2]), sys.argv[3:]))
    sys.exit(main())
