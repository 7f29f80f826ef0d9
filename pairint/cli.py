"""The command ``pairint``: list experiments, run them, draw their figures, report on them all."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pairint import experiments
from pairint._version import __version__
from pairint.engine.cells import canonical
from pairint.engine.progress import duration

__all__ = ["main"]

#: Exit codes, for scripts.
OK, FAILED, USAGE, STORAGE, SCHEDULER, INTERRUPTED = 0, 1, 2, 3, 4, 130

_EPILOG = """\
exit codes:
  0    done
  1    some cells failed, or a figure or a claim could not be computed; the rest is done
  2    unknown name, preset, setting or value
  3    results cannot be written or trusted, or another run is at work on the folder
  4    the Dask scheduler cannot be reached, or went away
  130  interrupted; run the same command again to go on
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        code = options.action(options)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("\npairint: interrupted; finished cells are kept, run again to go on", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as in `pairint list | head`
        _silence()
        return OK if options.action in (_list, _report) else FAILED  # elsewhere work may be left undone
    except Exception as error:
        code = _code(error)
        if code is None:
            raise
        print(f"pairint: error: {error}", file=sys.stderr)
        return code


def _code(error: Exception) -> int | None:
    """Return the exit code of an error we foresee; others are bugs, and show their traceback."""
    from pairint.engine.store import ResultsError
    from pairint.engine.sweep import CellsFailed
    from pairint.engine.workers import SchedulerError

    for kinds, code in (
        (ResultsError, STORAGE),
        (SchedulerError, SCHEDULER),
        (CellsFailed, FAILED),
        ((experiments.UnknownExperiment, UsageError), USAGE),
    ):
        if isinstance(error, kinds):
            return code
    return None


def _silence() -> None:
    """Send what is still printed nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(text: str) -> None:
    """Print; a reader that has gone, as in `pairint run demo | head -1`, does not stop the work."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _silence()


def _warn(text: str) -> None:
    print(f"pairint: warning: {text}", file=sys.stderr, flush=True)


class UsageError(ValueError):
    """Something on the command line is wrong."""


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
        "--timeout", type=_positive, default=60.0, metavar="SECONDS",
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
    return parser


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jobs", type=_jobs, default=-1, metavar="J",
        help="worker processes; 1 computes in this process (default: one per core)",
    )  # fmt: skip


def _jobs(text: str) -> int:
    try:
        jobs = int(text)
    except ValueError:
        jobs = 0
    if jobs != -1 and jobs < 1:
        raise argparse.ArgumentTypeError(f"must be an integer >= 1, or -1 for one per core; got {text!r}")
    return jobs


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number of seconds > 0, got {text!r}")
    return value


def _settings(pairs: Sequence[str]) -> dict[str, str]:
    settings = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key.strip():
            raise UsageError(f"--set takes KEY=VALUE, got {pair!r}")
        settings[key.strip()] = value
    return settings


def _list(options: argparse.Namespace) -> int:
    from pairint.experiments.tables import expected_seconds

    found = [experiments.get(name) for name in experiments.names()]
    if options.json:
        print(json.dumps([_description(experiment) for experiment in found], indent=1))
        return OK
    for experiment in found:
        times = ", ".join(
            f"{preset} about {duration(expected_seconds(experiment, preset))}"
            for preset in experiment.presets
        )
        print(f"{experiment.name}\n    {experiment.title}\n    {experiment.source}")
        print(f"    presets (on one core): {times}")
    return OK


def _description(experiment: Any) -> dict[str, Any]:
    from pairint.experiments.tables import expected_seconds

    return {
        "name": experiment.name,
        "title": experiment.title,
        "source": experiment.source,
        "version": experiment.version,
        "presets": {preset: dict(settings) for preset, settings in experiment.presets.items()},
        "expected_seconds": {name: expected_seconds(experiment, name) for name in experiment.presets},
    }


def _run(options: argparse.Namespace) -> int:
    overrides = _settings(options.settings)
    if overrides and len(options.names) > 1:
        raise UsageError("--set goes with one experiment at a time")
    chosen = [experiments.get(name) for name in options.names]  # all names are checked before any is run
    if options.store is not None:
        _check_store(options)
    return max(_run_one(experiment, overrides, options) for experiment in chosen)


def _check_store(options: argparse.Namespace) -> None:
    """Keep anything but full runs out of the book's folder, and say when the code is not committed."""
    from pairint.engine import provenance
    from pairint.experiments.tables import results_folder, store_folder

    root = Path(str(results_folder())) if options.store else store_folder()
    here = not options.store or Path(options.store).resolve() == root.resolve()
    if here and (options.preset != "full" or options.settings):
        raise UsageError(
            f"{root} is where the book reads its full runs: --store takes --preset full without --set there; "
            "for another run name another folder, as in --store DIR"
        )
    if _edited(provenance.commit()):
        _warn(
            "the code has changes that are not committed: cells computed now will be stored as computed by "
            "a commit '+changes', which nobody can check out; commit first if the table is to last"
        )


def _edited(commit: str | None) -> bool:
    return commit is not None and commit.endswith("+changes")


def _run_one(experiment: Any, overrides: dict[str, str], options: argparse.Namespace) -> int:
    from pairint.engine.store import write_atomic
    from pairint.experiments.report import claims_of, to_text
    from pairint.experiments.tables import store_folder

    outcome = _execute(
        experiment,
        options.preset,
        jobs=options.jobs,
        scheduler=options.scheduler,
        timeout=options.timeout,
        out=options.out,
        overrides=overrides,
    )
    folder = Path(options.out) / experiment.name
    _say(
        f"{experiment.name} ({options.preset}): {len(outcome.cells)} cells: {outcome.reused} were finished, "
        f"{outcome.computed} computed, {len(outcome.failures)} failed, in {duration(outcome.seconds)}; "
        f"results in {folder}"
    )
    if outcome.failures:
        _show_failures(outcome, folder)
        return FAILED
    table = outcome.table()
    code = OK
    # What is asked to be kept comes first: nothing that fails below, or reads our output, can prevent it.
    target = None
    if options.store is not None:
        target = outcome.store(store_folder(options.store), _command(experiment.name, options))
    stem = _stem(experiment, outcome.settings, options.preset)
    write_atomic(folder / f"{stem}.csv", table.to_csv(index=False, lineterminator="\n"))
    _say(f"table: {folder / f'{stem}.csv'}")
    try:
        _save(experiment.plot(table), folder / f"{stem}.svg")
        _say(f"figure: {folder / f'{stem}.svg'}")
    except Exception as error:
        _warn(f"no figure from these settings: {_brief(error)}")
        code = FAILED
    try:
        _say(to_text(claims_of(experiment, table)))
    except Exception as error:
        _warn(f"no claims from these settings: {_brief(error)}")
        code = FAILED
    if target is not None:
        _say(f"stored: {target}")
        edited = sum(_edited(record["environment"]["commit"]) for record in outcome.records)
        if edited:
            _warn(f"{edited} of the {len(outcome.cells)} cells were computed by code that was not committed")
    return code


def _stem(experiment: Any, settings: dict[str, Any], preset: str) -> str:
    """Return the name of a run's table and figure: a run with other settings gets one of its own."""
    text = canonical(settings)
    if text == canonical(dict(experiment.presets[preset])):
        return preset
    return f"{preset}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _execute(experiment: Any, preset: str, **options: Any) -> Any:
    """Run, and turn what the reader typed wrong into a usage error."""
    from pairint.engine import sweep

    try:
        sweep.plan(experiment, preset, options.get("overrides"))
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from error
    return sweep.execute(experiment, preset, progress=True, warn=_warn, **options)


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _show_failures(outcome: Any, folder: Path) -> None:
    shown = outcome.failures[:3]
    for cell, error in shown:
        print(f"pairint: failed: {json.dumps(cell)}\n    {error.strip().splitlines()[-1]}", file=sys.stderr)
    more = len(outcome.failures) - len(shown)
    tail = f"{more} more failed; " if more else ""
    print(
        f"pairint: {tail}tracebacks in {folder / 'failed'}; the same command tries these cells again",
        file=sys.stderr,
    )


def _command(name: str, options: argparse.Namespace) -> str:
    """Return the command that gives this table again, wherever it is run."""
    parts = ["pairint", "run", name, "--preset", options.preset]
    for pair in options.settings:
        parts += ["--set", pair]
    return shlex.join([*parts, "--store"])


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight")


def _figure(options: argparse.Namespace) -> int:
    from pairint.engine.store import ResultsError
    from pairint.experiments.report import experiment_table

    experiment = experiments.get(options.name)
    path = Path(options.out or f"{experiment.name}.svg")
    if options.preset is None:
        table, _, data = experiment_table(experiment, out=options.results, jobs=options.jobs, progress=True)
    else:
        outcome = _execute(experiment, options.preset, jobs=options.jobs, out=options.results)
        if outcome.failures:
            _show_failures(outcome, Path(options.results) / experiment.name)
            return FAILED
        table, data = outcome.table(), f"preset {options.preset}, cells in {options.results}"
    figure = experiment.plot(table)
    known = figure.canvas.get_supported_filetypes()
    if path.suffix[1:] not in known:
        raise UsageError(f"--out must end in one of {', '.join(sorted(known))}; got {str(path)!r}")
    try:
        _save(figure, path)
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror}") from error
    _say(f"figure: {path} ({data})")
    return OK


def _report(options: argparse.Namespace) -> int:
    from pairint.engine.store import write_atomic
    from pairint.experiments import report

    lines = report.build(
        run_missing=not options.stored, out=options.results, jobs=options.jobs, progress=True
    )
    text = report.to_json(lines) if options.json else report.to_markdown(lines)
    if options.out:
        write_atomic(Path(options.out), text.rstrip() + "\n")
        print(f"report: {options.out}")
    else:
        print(text)
    return FAILED if any(line.problem for line in lines) else OK


if __name__ == "__main__":
    sys.exit(main())
