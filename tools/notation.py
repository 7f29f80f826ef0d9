"""Find the symbols of a page, and those that the notation page gives.

python tools/notation.py    print, for each page of the theory, the letters that it defines for itself
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import theory_map

GREEK = re.findall(
    r"\w+",
    """
    alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho
    varrho sigma varsigma tau upsilon phi varphi chi psi omega
    Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar
    """,
)
ALPHABETS = ("mathcal", "mathfrak", "mathsf", "mathscr")
ACCENTS = ("bar", "tilde", "dot", "check", "breve")
LETTER = rf"(?:\\(?:{'|'.join(GREEK)})(?![A-Za-z])|[A-Za-z])"
SYMBOL = re.compile(
    rf"\\(?:{'|'.join(ALPHABETS)})\s*\{{?\s*[A-Za-z]\s*\}}?"
    rf"|\\(?:{'|'.join(ACCENTS)})(?![A-Za-z])\s*\{{?\s*{LETTER}\s*\}}?"
    rf"|{LETTER}"
)
# What is not a symbol: words, environments, numbers and sets in a special alphabet.
WORDS = re.compile(
    r"\\(?:text|mathrm|operatorname|begin|end|mathbb|mathbf|label|tag)\*?\s*\{[^{}]*\}"
    r"|\\math(?:bb|bf)\s*[A-Za-z]"
    r"|_\{[A-Za-z]{2,}\}"  # a word as a subscript: R_{out}
    r"|(?<![A-Za-z\\])d(?=[uvtxyz]\b|\\rho|P_U|f\b|p\b)"  # a differential
    r"|(?<![A-Za-z\\])e(?=\s*\^)"  # Euler's number
    r"|(?m:^:label:.*$)"
    r"|(?<![A-Za-z\\])(?:KL|TV)(?![A-Za-z])"  # a divergence, a distance
)
CODE = re.compile(r"(?ms)^\s*```\{code-cell\}.*?^\s*```|^---$.*?^---$|(?<!`)`(?!`)[^`\n]+`(?!`)")
MATH = re.compile(r"(?ms)\$\$(.+?)\$\$|(?<![\\$])\$([^$]+?)\$|^\s*```\{math\}\n(.*?)^\s*```")
ROW = re.compile(r"(?m)^\| \{doc\}`(\w+)` \| (.*) \|$")


def formulas(text: str) -> list[str]:
    """Return the formulas of a Markdown page, in order, without its code."""
    return [next(filter(None, match.groups())) for match in MATH.finditer(CODE.sub(" ", text))]


def symbols(text: str) -> set[str]:
    r"""Return the symbols of a Markdown page: its letters, with their alphabet and accent.

    A hat makes no new symbol (it marks an estimate), nor does an index, a star or a prime.

    Examples
    --------
    >>> sorted(symbols(r"$\hat g_K = \bar a + \mathcal{G} \log \text{if } \varphi^*$"))
    ['K', '\\bar a', '\\mathcal{G}', '\\varphi', 'g']
    """
    found = set()
    for formula in formulas(text):
        found |= {normal(match[0]) for match in SYMBOL.finditer(drop_commands(WORDS.sub(" ", formula)))}
    return found


def drop_commands(formula: str) -> str:
    """Return a formula without its commands, hats among them, but those that are letters or decorate one."""
    kept = {*GREEK, *ALPHABETS, *ACCENTS}
    return re.sub(r"\\([A-Za-z]+)", lambda match: match[0] if match[1] in kept else " ", formula)


def normal(symbol: str) -> str:
    r"""Return one spelling of a decorated letter: ``\bar a``, ``\mathcal{G}``."""
    match = re.fullmatch(rf"\\({'|'.join(ALPHABETS + ACCENTS)})\s*\{{?\s*(\\?[A-Za-z]+)\s*\}}?", symbol)
    if match is None:
        return symbol
    return f"\\{match[1]}{{{match[2]}}}" if match[1] in ALPHABETS else f"\\{match[1]} {match[2]}"


def section(text: str, heading: str) -> str:
    """Return what stands on a page under a heading of the second level."""
    parts = re.split(r"(?m)^## (.+)$", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[heading]


def everywhere(notation: str) -> set[str]:
    """Return the symbols that the notation page gives for the whole theory, bound variables included."""
    pairs = section(notation, "Learning pairwise interactions")
    first = " ".join(re.findall(r"(?m)^\| (.*?) \|", pairs.replace(r"\|", "")))
    dummies = next(line for line in pairs.split("\n\n") if "bound variables" in line)
    return symbols(first) | symbols(dummies)


def local(notation: str) -> dict[str, set[str]]:
    """Return the symbols that the notation page lists as the affair of one page."""
    return {page: symbols(letters) for page, letters in ROW.findall(section(notation, "Letters of one page"))}


def unexplained(pages: Mapping[str, str], drawn: list[str]) -> dict[str, set[str]]:
    """Return the symbols of each page that the notation page does not give for the whole theory."""
    given = everywhere(pages["notation"])
    return {page: symbols(pages[page]) - given for page in drawn if page != "map"}


def row(page: str, letters: set[str]) -> str:
    """Return the line of the notation page that lists letters of a page."""
    return f"| {{doc}}`{page}` | {', '.join(f'${letter}$' for letter in sorted(letters, key=str.lower))} |"


if __name__ == "__main__":
    for page, letters in unexplained(*theory_map.sources()).items():
        print(row(page, letters))
