"""The reproduction table: every figure and number of the papers, the published value beside ours.

Claims come from the experiments (:class:`pairint.engine.claims.Claim`); each draws on the stored table
of its experiment or, where none is stored, on the quick preset, run on the spot. Verdicts are computed.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pairint import experiments
from pairint._version import __version__
from pairint.engine import sweep
from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.progress import duration
from pairint.engine.store import ResultsError
from pairint.experiments.measurements import records
from pairint.experiments.tables import expected_seconds, load_provenance, load_results, stored_names
from pairint.figures.tables import printed

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "Line",
    "benchmarks_markdown",
    "build",
    "claims_of",
    "claims_table",
    "counted",
    "experiment_table",
    "number",
    "presets_markdown",
    "runs_markdown",
    "summary",
    "to_json",
    "to_markdown",
    "to_text",
]


@dataclass(frozen=True)
class Line:
    """One line of the report.

    Attributes
    ----------
    experiment : str
    claim : Claim or None
        ``None`` if the experiment could not be evaluated; ``problem`` then says why.
    data : str
        What the number was computed from.
    problem : str
    """

    experiment: str
    claim: Claim | None
    data: str
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the line as plain data."""
        common = {"experiment": self.experiment, "data": self.data, "problem": self.problem}
        return common | (self.claim.as_dict() if self.claim else {"verdict": "not computed"})


def experiment_table(
    experiment: Experiment,
    *,
    run_missing: bool = True,
    folder: Path | str | None = None,
    out: Path | str | None = None,
    jobs: int = 1,
    progress: bool = False,
) -> tuple[DataFrame, str, str]:
    """Return an experiment's table, the command that computes it and where it comes from.

    The stored table if there is one of the experiment's present version, else the quick preset.

    Raises
    ------
    pairint.engine.store.ResultsError
        If there is none and ``run_missing`` is false, or if the stored one was tampered with.
    """
    if experiment.name in stored_names(folder):
        provenance = load_provenance(experiment.name, folder)
        if provenance["version"] == experiment.version:
            table = load_results(experiment.name, folder)
            preset = provenance["preset"]
            command = provenance["command"] or _command(experiment.name, preset)
            return table, command, f"stored table, preset {preset}, {provenance['last_cell'][:10]}"
        reason = f"stored by version {provenance['version']}, the experiment is at {experiment.version}"
    else:
        reason = "nothing is stored"
    if not run_missing:
        raise ResultsError(f"no table for {experiment.name!r}: {reason}")
    table = sweep.run(experiment, "quick", out=out, jobs=jobs, progress=progress)
    return table, _command(experiment.name, "quick"), f"quick preset, computed now ({reason})"


def _command(name: str, preset: str) -> str:
    return f"pairint run {name} --preset {preset}"


def claims_of(experiment: Experiment, table: DataFrame, command: str = "") -> list[Claim]:
    """Return the claims of an experiment, each with the command that regenerates it."""
    return [replace(claim, command=claim.command or command) for claim in experiment.claims(table)]


def claims_table(claims: Sequence[Claim], prefix: str = "") -> DataFrame:
    """Return claims as a table for a page: published, theory, ours with its interval, and the verdict.

    Numbers have three decimals, an en dash stands where there is none, and a column without numbers is left
    out. Bounds begin with their relation. ``prefix`` is what all names begin with, and is left out.
    """
    import pandas as pd

    table = pd.DataFrame(
        [
            {
                "line": claim.name.removeprefix(prefix),
                **{
                    # A number that is no bound stays one, for the formats of its column.
                    name: value if value is None or claim.relation == "equal" else _compared(claim, value)
                    for name, value in (("published", claim.published), ("theory", claim.expected))
                },
                "ours": claim.ours,
                "low": None if claim.interval is None else claim.interval[0],
                "high": None if claim.interval is None else claim.interval[1],
                "verdict": claim.verdict,
            }
            for claim in claims
        ]
    ).round(3)
    empty = [name for name in ("published", "theory", "low", "high") if table[name].isna().all()]
    return table.astype(object).where(table.notna(), "–").drop(columns=empty)


def _compared(claim: Claim, value: float | None) -> str:
    """Write a value that a claim is compared with, after its relation."""
    return number(value) if value is None else _RELATIONS[claim.relation] + number(value)


def build(
    names: Iterable[str] | None = None,
    *,
    run_missing: bool = True,
    folder: Path | str | None = None,
    out: Path | str | None = None,
    jobs: int = 1,
    progress: bool = False,
) -> list[Line]:
    """Evaluate the claims of all experiments.

    An experiment that fails gives a line that says so; the others are reported all the same.

    Parameters
    ----------
    names : iterable of str, optional
        All experiments by default.
    run_missing : bool
        Run the quick preset of experiments without a stored table.
    folder : path, optional
        Where tables are stored.
    out : path, optional
        Folder of cells for what has to be run; ``None`` keeps them in memory.
    jobs : int
    progress : bool

    Returns
    -------
    list of Line
    """
    lines = []
    for name in experiments.names() if names is None else names:
        experiment = experiments.get(name)
        data = ""
        try:
            table, command, data = experiment_table(
                experiment, run_missing=run_missing, folder=folder, out=out, jobs=jobs, progress=progress
            )
            claims = claims_of(experiment, table, command)
        except Exception as error:  # one broken experiment must not hide the others
            problem = f"{type(error).__name__}: {error}".splitlines()[0]
            lines.append(Line(name, None, data, problem))
            continue
        lines.extend(Line(name, claim, data) for claim in claims)
    return lines


def number(value: float | None, digits: int = 4) -> str:
    """Write a number for readers: four significant digits, an en dash for none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return printed(f"{value:.{digits}g}")


def _interval(ours: float, ends: tuple[float, float]) -> str:
    """Write a number and its interval, with as many decimals each."""
    written = [number(ours), *(number(end, 3) for end in ends)]
    if all(re.fullmatch(r"−?\d+(\.\d+)?", text) for text in written):
        decimals = max(len(text.partition(".")[2]) for text in written)
        written = [printed(f"{value:.{decimals}f}") for value in (ours, *ends)]
    return f"{written[0]} [{written[1]}, {written[2]}]"


_COLUMNS = ("Verdict", "Ours [95 % interval]", "Paper", "Theory", "Tolerance")
_RELATIONS = {"equal": "", "at most": "≤ ", "at least": "≥ ", "equivalent": "≈ "}


def _cells(claim: Claim) -> tuple[str, ...]:
    ours = number(claim.ours)
    if claim.interval is not None and claim.ours is not None:
        ours = _interval(claim.ours, claim.interval)
    paper, theory = (_compared(claim, value) for value in (claim.published, claim.expected))
    tolerance = number(claim.tolerance) if (claim.published, claim.expected) != (None, None) else "–"
    return claim.verdict, ours, paper, theory, tolerance


def to_markdown(lines: Sequence[Line], *, commands: bool = True, folded: bool = False) -> str:
    """Return the report as Markdown tables, one per source and experiment.

    Parameters
    ----------
    lines : sequence of Line
    commands : bool
        Name, under each table, the commands that regenerate it.
    folded : bool
        As a page of the book has it, in MyST: first a table that counts the verdicts of each experiment,
        those with most differences on top, and leads to them; then each table folded under its title.
    """
    parts: list[str] = []
    grouped = _grouped(lines, lambda line: line.experiment)
    if folded:
        parts.extend(_overview(grouped))
    for name, group in grouped:
        experiment = experiments.get(name)
        if folded:
            title = html.escape(experiment.title)
            parts.append(f'<details class="folded-table">\n<summary>{title}: {_tally(group)}</summary>\n')
            parts.append(f"({_anchor(name)})=\n{experiment.source[:1].upper()}{experiment.source[1:]}.\n")
        else:
            parts.append(f"**{experiment.title}** ({experiment.source})\n")
        claims = [line.claim for line in group if line.claim is not None]
        if claims:
            # A column of one value is no column: the heading says it already.
            sources = len({claim.source for claim in claims}) > 1
            header = ["Quantity", *_COLUMNS, *["Source"] * sources]
            parts.append(_row(header))
            parts.append("|---" * len(header) + "|")
            for claim in claims:
                row = (claim.name, *_cells(claim), *[claim.source] * sources)
                if folded and _group_of(claim.verdict) == "differ":
                    row = (row[0], f"**{row[1]}**", *row[2:])
                parts.append(_row(row))
            parts.append("")
        problems = [line.problem for line in group if line.problem]
        parts.extend(f"Not computed: {problem}\n" for problem in problems)
        notes = [f"Data: {data}." for data in dict.fromkeys(line.data for line in group if line.data)]
        if commands and claims:
            listed = ", ".join(f"`{command}`" for command in dict.fromkeys(c.command for c in claims))
            notes.append(f"Regenerate: {listed}.")
        if notes:
            parts.append(" ".join(notes) + "\n")
        if folded:
            parts.append("</details>\n")
    return "\n".join(parts)


#: What becomes of a line, the gravest first; a verdict of two parts counts as the graver one.
_GROUPS = ("not computed", "differ", "undecided", "agree", "not published")


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |"


def _verdict(line: Line) -> str:
    return line.claim.verdict if line.claim else "not computed"


def _group_of(verdict: str) -> str:
    if "differs" in verdict:
        return "differ"
    if "undecided" in verdict:
        return "undecided"
    return verdict if verdict in _GROUPS else "agree"


def _tallied(lines: Sequence[Line]) -> Counter[str]:
    return Counter(_group_of(_verdict(line)) for line in lines)


def _tally(lines: Sequence[Line]) -> str:
    """Count the lines of an experiment in words: "10 lines, 1 differs"."""
    counts = _tallied(lines)
    words = {"differ": "differs"} if counts["differ"] == 1 else {}
    said = [f"{counts[group]} {words.get(group, group)}" for group in _GROUPS[:3] if counts[group]]
    return ", ".join([f"{len(lines)} line{'s' if len(lines) != 1 else ''}", *(said or ["none differs"])])


def _overview(grouped: Sequence[tuple[str, Sequence[Line]]]) -> list[str]:
    """Return a table that counts the verdicts of each experiment, those with most differences on top."""
    tallies = [(name, _tallied(group)) for name, group in grouped]
    shown = [group for group in _GROUPS if any(counts[group] for _, counts in tallies)]
    rows = [_row(["Experiment", *shown]), "|---" + "|--:" * len(shown) + "|"]
    for name, counts in sorted(tallies, key=lambda item: [-item[1][group] for group in _GROUPS]):
        cells = [str(counts[group]) if counts[group] else "" for group in shown]
        rows.append(_row([f"[{experiments.get(name).title}](#{_anchor(name)})", *cells]))
    return [*rows, ""]


def summary(lines: Sequence[Line]) -> dict[str, int]:
    """Count the verdicts, the most frequent first.

    Two experiments may show one measurement: the same cells, hence the same number and the same interval to
    the last bit. It counts once, where it is compared with more.
    """
    lines = list(lines)
    measured = [line for line in lines if line.claim and line.claim.interval is not None]
    for _, group in _grouped(measured, lambda line: (line.claim.ours, line.claim.interval)):
        low, high = group[0].claim.interval
        shown = _grouped(group, lambda line: line.experiment)
        if len(shown) > 1 and low < high:
            kept, _ = max(shown, key=lambda item: sum(_references(line.claim) for line in item[1]))
            lines = [line for line in lines if line not in group or line.experiment == kept]
    verdicts = Counter(map(_verdict, lines))
    return dict(verdicts.most_common())


def _anchor(name: str) -> str:
    return f"report-{name.replace('_', '-')}"


FEW = 6  # lines that are named in a sentence


def counted(lines: Sequence[Line]) -> tuple[str, ...]:
    """Say in sentences what the verdicts are, and name the lines that do not agree if they are few.

    Parameters
    ----------
    lines : sequence of Line

    Returns
    -------
    tuple of str
        Sentences in plain text: for :func:`pairint.figures.tables.sentences`.
    """
    verdicts = Counter(map(_verdict, lines))
    many = f"{len(lines)} numbers are" if len(lines) != 1 else "One number is"
    found = ", ".join(f"{_one(verdict)} ({count})" for verdict, count in verdicts.most_common())
    said = [f"{many} compared: {found}."]
    doubtful = [
        line.claim for line in lines if line.claim and _group_of(_verdict(line)) in ("differ", "undecided")
    ]
    if len(doubtful) <= FEW:
        for claim in doubtful:
            verdict, ours, paper, theory, tolerance = _cells(claim)
            parts = {"the paper": paper, "theory": theory, "tolerance": tolerance}
            against = ", ".join(f"{name} {value}" for name, value in parts.items() if value != "–")
            said.append(f"{_opening(claim.name)}: ours {ours}; {against}; {_one(verdict)}.")
    return tuple(said)


def _one(verdict: str) -> str:
    """Return a verdict of two parts as one, among others in a sentence."""
    return verdict.replace("; ", " and ")


def _opening(name: str) -> str:
    """Return a name as the first words of a sentence; a letter of a formula stays as it is."""
    return name[0].upper() + name[1:] if re.match(r"[a-z]{2}", name) else name


def _references(claim: Claim) -> int:
    return (claim.published is not None) + (claim.expected is not None)


def runs_markdown(folder: Path | str | None = None) -> str:
    """Return a Markdown table of the stored runs, and where they ran, from their provenance."""
    rows = [
        "| Experiment | Preset | Cells | Computing time | Elapsed | Finished |",
        "|---|---|---|---|---|---|",
    ]
    software, machines = [], []
    for name in stored_names(folder):
        record = load_provenance(name, folder)
        rows.append(
            f"| `{name}` | {record['preset']} | {record['cells']} | {duration(record['computing_seconds'])} "
            f"| {duration(record['wall_seconds'])} | {record['last_cell'][:10]} |"
        )
        for place in record["environments"]:
            libraries = (f"{library} {version}" for library, version in place["libraries"].items())
            software.append(f"pairint {place['pairint']}, Python {place['python']}, {', '.join(libraries)}")
            m = place["machine"]
            machines.append(f"{m['cpu']}, {m['cores']} cores, {m['memory_gib']} GiB, {m['system']}")
    if not software:
        return "No results are stored."
    rows.append("")
    rows.extend(f"- Machine: {text}." for text in dict.fromkeys(machines))
    rows.extend(f"- Software: {text}." for text in dict.fromkeys(software))
    return "\n".join(rows)


def benchmarks_markdown(folder: Path | str | None = None) -> str:
    """Return a Markdown table of the recorded measurements of the engine.

    Parameters
    ----------
    folder : path, optional
        Where ``benchmarks/sweep_efficiency.py`` and ``benchmarks/sweep_overhead.py`` wrote: by default the
        records that are part of the package.
    """
    rows = ["| Measured | Value | Target | | Date | Load before |", "|---|---|---|---|---|---|"]
    places = []
    for record in records("sweep_", folder):
        place = record["environment"]
        m = place["machine"]
        places.append(f"{m['cpu']}, {m['cores']} cores, {m['system']}, Python {place['python']}")
        for name, row in record["figures"].items():
            value = number(row["value"], 3) + (row["unit"] if row["value"] is not None else "")
            target = f"{row['relation']} {row['target']:g}{row['unit']}"
            verdict = "met" if row["met"] else "missed"
            rows.append(
                f"| {name} | {value} | {target} | {verdict} | {record['date']} "
                f"| {number(record['load_at_start'])} |"
            )
    if not places:
        return "No measurement is recorded yet."
    return "\n".join([*rows, "", *(f"- Machine: {text}." for text in dict.fromkeys(places))])


def presets_markdown(folder: Path | str | None = None) -> str:
    """Return a Markdown table of the experiments: how many cells each preset has, how long they take.

    The time of a run that is stored in ``folder`` is the one recorded with it.
    """
    rows = ["| Experiment | What | Source | quick | full |", "|---|---|---|---|---|"]
    for name in experiments.names():
        experiment = experiments.get(name)
        sizes = []
        for preset in ("quick", "full"):
            cells = len(sweep.plan(experiment, preset)[1])
            parts = (f"{cells} cells", duration(expected_seconds(experiment, preset, folder)))
            sizes.append(", ".join(part.replace(" ", "\u00a0") for part in parts))  # broken between them only
        rows.append(f"| `{name}` | {experiment.title} | {experiment.source} | {sizes[0]} | {sizes[1]} |")
    return "\n".join(rows)


def to_text(claims: Sequence[Claim]) -> str:
    """Return claims as a plain table for a terminal."""
    header = ("quantity", *(name.lower() for name in _COLUMNS))
    rows = [header, *((claim.name, *_cells(claim)) for claim in claims)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def to_json(lines: Sequence[Line]) -> str:
    """Return the report as JSON, infinite and missing numbers as ``null``."""
    return json.dumps(
        {"pairint": __version__, "lines": [_finite(line.as_dict()) for line in lines]}, indent=1
    )


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> list[tuple[Any, list[Any]]]:
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.items())
