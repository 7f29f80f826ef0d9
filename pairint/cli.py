"""The command ``pairint``: list experiments, run them, draw their figures, report on them all."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from pairint import experiments
from pairint._version import __version__
from pairint.engine import provenance, sweep
from pairint.engine.progress import duration
from pairint.engine.store import ResultsError, write_atomic
from pairint.experiments import tables

__all__ = ["main"]

#: Exit codes, for scripts; an error that we foresee carries its own as ``exit_code``.
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

_EPILOG = """\
exit codes:
  0    done
  1    some cells failed, or a figure or a claim could not be computed; the rest is done
  2    unknown name, preset, setting or value
  3    results, or the list or report asked for, cannot be written; results cannot be trusted; or
       another run is at work on the folder
  4    the Dask scheduler cannot be reached, or went away
  130  interrupted; run the same command again to go on
"""


class UsageError(ValueError):
    """Something on the command line is wrong."""

    exit_code = USAGE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    _open_output()
    options = _parser().parse_args(arguments)
    with contextlib.redirect_stderr(_Patient(sys.stderr)):
        return _carry_out(options)


def _carry_out(options: argparse.Namespace) -> int:
    """Do what was asked for; return the exit code."""
    try:
        return options.action(options)
    except KeyboardInterrupt:
        print("\npairint: interrupted; finished cells are kept, run again to go on", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # nobody reads our warnings and our progress: work may be left undone
        return FAILED
    except Exception as error:
        code = getattr(error, "exit_code", None)
        if code is None:  # a bug, which shows its traceback
            raise
        print(f"pairint: error: {error}", file=sys.stderr)
        return code


def _open_output() -> None:
    """Prepare standard output for characters that its encoding lacks, and for being closed."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # as in `pairint run demo >&-`: no file of results may take its number
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  as long as the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


class _Patient(io.TextIOBase):
    """Standard error that goes on where a full disk takes no more: the exit code still says what happened."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._try(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def _try(self, act: Callable[..., object], *arguments: str) -> None:
        try:
            act(*arguments)
        except BrokenPipeError:  # somebody has stopped reading, perhaps in order to stop us
            raise
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def _silence() -> None:
    """Send what is still printed nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _give(text: str) -> None:
    """Print what was asked for.

    A reader that has gone, as in `pairint list | head`, has what it wanted; a full disk is an error.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _silence()
    except OSError as error:
        _silence()
        raise ResultsError(f"cannot write to standard output: {error.strerror}") from error


def _say(text: str) -> None:
    """Print what became of the work; that nobody can read it does not stop the work."""
    try:
        _give(text)
    except ResultsError as error:
        _warn(f"{error}; the work goes on")


def _warn(text: str) -> None:
    print(f"pairint: warning: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _typed() -> Iterator[None]:
    """Turn what the reader typed wrong into a usage error."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from error


def _reader(kind: Callable[[str], Any], allowed: Callable[[Any], bool], what: str) -> Callable[[str], Any]:
    """Return a function that reads the value of an option, for argparse."""

    def read(text: str) -> Any:
        with contextlib.suppress(ValueError):
            value = kind(text)
            if allowed(value):
                return value
        raise argparse.ArgumentTypeError(f"must be {what} got {text!r}")

    return read


_JOBS = _reader(int, lambda jobs: jobs == -1 or jobs >= 1, "an integer >= 1, or -1 for one per core;")
_SECONDS = _reader(float, lambda value: 0 < value <= 1e6, "a number of seconds > 0 and at most 1e6,")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pairint",
        description="Experiments on learning pairwise interactions: run, resume, draw, report.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pairint {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    listing = commands.add_parser("list", help="list the experiments, their presets and how long they take")
    listing.add_argument("--json", action="store_true", help="for programs")
    listing.set_defaults(action=_list)

    run = commands.add_parser(
        "run",
        help="run an experiment, or go on with it",
        description="Compute the cells of an experiment that are not finished yet; then write its table and "
        "its figure, and print the published numbers beside ours. A run that was stopped, however it was "
        "stopped, goes on where it was.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("names", nargs="+", metavar="NAME", help="an experiment of `pairint list`")
    run.add_argument("--preset", default="quick", help="quick (seconds) or full (the paper's figure)")
    _add_jobs(run)
    run.add_argument(
        "--scheduler", metavar="tcp://HOST:PORT", help="compute on the Dask cluster of this scheduler"
    )
    run.add_argument(
        "--timeout", type=_SECONDS, default=60.0, metavar="SECONDS",
        help="how long to wait for the scheduler, and for a worker when it has none (default 60)",
    )  # fmt: skip
    run.add_argument("--out", default="results", metavar="DIR", help="folder of results (default: results)")
    run.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="settings",
        help="replace a setting of the preset, as in --set replicates=5 --set n_samples=1000,3000; table and "
        "figure are then named PRESET-CODE, the code standing for the settings",
    )  # fmt: skip
    run.add_argument(
        "--store", nargs="?", const="", metavar="DIR",
        help="also write table, provenance and checksums to DIR/NAME (default: the tables of the package, "
        "which take the full preset only, without --set)",
    )  # fmt: skip
    run.set_defaults(action=_run)

    figure = commands.add_parser(
        "figure",
        help="draw the figure of an experiment",
        description="Draw from the stored table; without one, or with --preset, from cells in --results, "
        "computing those that are missing.",
    )
    figure.add_argument("name", metavar="NAME")
    figure.add_argument("--preset", help="draw this preset instead of the stored table")
    figure.add_argument("--results", default="results", metavar="DIR", help="folder of cells")
    figure.add_argument(
        "--out", metavar="FILE", help="image to write (default: NAME.svg); its folder is made when needed"
    )
    _add_jobs(figure)
    figure.set_defaults(action=_figure)

    report = commands.add_parser(
        "report",
        help="every published number beside ours, with a computed verdict",
        description="Evaluate the claims of all experiments, from stored tables where there are any and "
        "from the quick preset elsewhere.",
    )
    report.add_argument("--json", action="store_true", help="for programs, instead of Markdown")
    report.add_argument("--out", metavar="FILE", help="write to a file")
    report.add_argument("--stored", action="store_true", help="only stored tables: run nothing")
    report.add_argument("--results", metavar="DIR", help="folder of cells for what has to be run")
    _add_jobs(report)
    report.set_defaults(action=_report)

    published = commands.add_parser(
        "published",
        help="the authors' published data beside ours, series by series",
        description="Compare the data that the authors of attention-indexed models published with what this "
        "package computes. Clone their repository, whose address is printed without --from, and name the "
        "clone; nothing of it is copied.",
    )
    published.add_argument("--from", dest="source", metavar="DIR", help="a clone of the authors' repository")
    published.add_argument("--json", action="store_true", help="for programs, instead of a table")
    published.add_argument("--out", metavar="FILE", help="write to a file")
    published.set_defaults(action=_published)
    return parser


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jobs", type=_JOBS, default=-1, metavar="J",
        help="worker processes; 1 computes in this process (default: one per core)",
    )  # fmt: skip


def _settings(pairs: Sequence[str]) -> dict[str, str]:
    settings = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key.strip():
            raise UsageError(f"--set takes KEY=VALUE, got {pair!r}")
        settings[key.strip()] = value
    return settings


def _list(options: argparse.Namespace) -> int:
    found = [tables.description(experiments.get(name)) for name in experiments.names()]
    if options.json:
        _give(json.dumps(found, indent=1))
        return OK
    lines = []
    for entry in found:
        times = (f"{preset} about {duration(time)}" for preset, time in entry["expected_seconds"].items())
        lines += [entry["name"], f"    {entry['title']}", f"    {entry['source']}"]
        lines.append(f"    presets (on one core): {', '.join(times)}")
    _give("\n".join(lines))
    return OK


def _run(options: argparse.Namespace) -> int:
    overrides = _settings(options.settings)
    if overrides and len(options.names) > 1:
        raise UsageError("--set goes with one experiment at a time")
    target = None
    with _typed():  # all is checked before anything is run
        chosen = [experiments.get(name) for name in options.names]
        for experiment in chosen:
            sweep.plan(experiment, options.preset, overrides)
        if options.store is not None:
            whole = options.preset == "full" and not overrides
            target = tables.store_folder(options.store or None, whole=whole)
    if target is not None and provenance.edited(provenance.commit()):
        _warn(
            "the code has changes that are not committed: cells computed now will be stored as computed by "
            "a commit '+changes', which nobody can check out; commit first if the table is to last"
        )
    return max(_run_one(experiment, overrides, target, options) for experiment in chosen)


def _run_one(
    experiment: Any, overrides: dict[str, str], target: Path | None, options: argparse.Namespace
) -> int:
    from pairint.experiments.report import claims_of, to_text

    outcome = sweep.execute(
        experiment, options.preset, jobs=options.jobs, scheduler=options.scheduler, timeout=options.timeout,
        out=options.out, overrides=overrides, progress=True, warn=_warn,
    )  # fmt: skip
    folder = Path(options.out) / experiment.name
    _say(
        f"{experiment.name} ({options.preset}): {len(outcome.cells)} cells: {outcome.reused} were finished, "
        f"{outcome.computed} computed, {len(outcome.failures)} failed, in {duration(outcome.seconds)}; "
        f"results in {folder}"
    )
    if outcome.failures:
        return _failed(outcome, folder)
    table = outcome.table()
    # What is asked to be kept comes first: nothing that fails below can prevent it.
    stored = None if target is None else outcome.store(target, f"{outcome.command} --store")
    code = OK
    path = folder / f"{outcome.label}.csv"
    _keep(outcome, path, table.to_csv(index=False, lineterminator="\n"))
    _say(f"table: {path}")
    try:
        image = _image(experiment.plot(table), "svg")
    except Exception as error:
        _warn(f"no figure from these settings: {_brief(error)}")
        code = FAILED
    else:
        _keep(outcome, path.with_suffix(".svg"), image)
        _say(f"figure: {path.with_suffix('.svg')}")
    try:
        claims = to_text(claims_of(experiment, table))
    except Exception as error:
        _warn(f"no claims from these settings: {_brief(error)}")
        code = FAILED
    else:
        _say(claims)
    if stored is not None:
        _say(f"stored: {stored}")
        edited = sum(provenance.edited(commit) for commit in outcome.commits)
        if edited:
            _warn(f"{edited} of the {len(outcome.cells)} cells were computed by code that was not committed")
    return code


def _keep(outcome: sweep.Outcome, path: Path, content: str | bytes) -> None:
    """Write a file; in an archive, of which nothing had to be computed, the one that is there may stay."""
    try:
        write_atomic(path, content)
    except ResultsError as error:
        if outcome.computed or not path.exists():
            raise
        _warn(f"{error}; the one that is there stays")


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _failed(outcome: sweep.Outcome, folder: Path) -> int:
    """Show the first failures, and return the exit code."""
    for cell, error in outcome.failures[:3]:
        print(f"pairint: failed: {json.dumps(cell)}\n    {error.strip().splitlines()[-1]}", file=sys.stderr)
    more = len(outcome.failures) - 3
    tail = f"{more} more failed; " if more > 0 else ""
    print(
        f"pairint: {tail}tracebacks in {folder / 'failed'}; the same command tries these cells again",
        file=sys.stderr,
    )
    return FAILED


def _image(figure: Any, kind: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, bbox_inches="tight")
    return buffer.getvalue()


def _figure(options: argparse.Namespace) -> int:
    from matplotlib.backend_bases import FigureCanvasBase

    from pairint.experiments.report import experiment_table

    experiment = experiments.get(options.name)
    path = Path(options.out or f"{experiment.name}.svg")
    kind, known = path.suffix[1:].lower(), FigureCanvasBase.get_supported_filetypes()
    if kind not in known:
        raise UsageError(f"--out must end in one of {', '.join(sorted(known))}; got {str(path)!r}")
    if options.preset is None:
        table, _, data = experiment_table(experiment, out=options.results, jobs=options.jobs, progress=True)
    else:
        with _typed():
            sweep.plan(experiment, options.preset)
        outcome = sweep.execute(
            experiment, options.preset, jobs=options.jobs, out=options.results, progress=True, warn=_warn
        )
        if outcome.failures:
            return _failed(outcome, Path(options.results) / experiment.name)
        table, data = outcome.table(), f"preset {options.preset}, cells in {options.results}"
    write_atomic(path, _image(experiment.plot(table), kind))
    _say(f"figure: {path} ({data})")
    return OK


def _report(options: argparse.Namespace) -> int:
    from pairint.experiments import report

    lines = report.build(
        run_missing=not options.stored, out=options.results, jobs=options.jobs, progress=True
    )
    _deliver(report.to_json(lines) if options.json else report.to_markdown(lines), options.out, "report")
    return FAILED if any(line.problem for line in lines) else OK


def _deliver(text: str, path: str | None, what: str) -> None:
    """Write a text to a file, or print it."""
    if path:
        write_atomic(Path(path), text.rstrip() + "\n")
        _say(f"{what}: {path}")
    else:
        _give(text)


def _published(options: argparse.Namespace) -> int:
    from pairint.experiments.aim import published

    stored = published.load_comparison()
    found = stored if options.source is None else published.compare(options.source)
    if options.source is not None and found["files"] != stored["files"]:
        _warn(f"these are not the files of commit {published.COMMIT}, whose comparison the book shows")
    text = published.to_json(found) if options.json else published.to_text(found)
    _deliver(text, options.out, "comparison")
    return OK


if __name__ == "__main__":
    sys.exit(main())
