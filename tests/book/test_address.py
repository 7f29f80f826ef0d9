"""A book of one page, built as by hand: with the address of a repository, and without."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import notebooks
import pytest
import repository

ROOT = Path(__file__).resolve().parents[2]
RELEASE = repository.release()  # outside of a checkout there is no commit to lead to
PLACEHOLDER = "https://nobody.invalid/pairint"
PAGE = """\
---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

# A page

```{prf:theorem} First
:label: thm-first
One is a number, and two is another ({eq}`eq-first`).
```

```{math}
:label: eq-first
1 + 1 = 2
```

```{exercise}
:label: ex-Capital
Say why {prf:ref}`thm-first` is true.
```
"""

pytestmark = pytest.mark.slow


class Links(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for key, value in attributes if tag == "a" and key == "href"]


def build(folder: Path, address: str) -> str:
    """Return the HTML of the only page of a book with the configuration of ours."""
    for name in ("_config.yml", "pyproject.toml", "pairint/_version.py", "book/references.bib"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "tools", folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "book" / "assets", folder / "book" / "assets")
    project = (folder / "pyproject.toml").read_text(encoding="utf-8")
    project, count = re.subn(r'(?m)^Repository = ".*"$', f'Repository = "{address}"', project)
    assert count == 1
    (folder / "pyproject.toml").write_text(project, encoding="utf-8")
    (folder / "book" / "page.md").write_text(PAGE, encoding="utf-8")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: book/page\n", encoding="utf-8")
    assert notebooks.main([], folder) == 0
    command = [Path(sys.executable).parent / "jupyter-book", "build", folder, "-W", "-n", "--keep-going"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return (folder / "_build" / "html" / "book" / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("address", "buttons"),
    [
        (PLACEHOLDER, []),
        (
            "https://github.com/example/pairint",
            [
                f"https://mybinder.org/v2/gh/example/pairint/{RELEASE}?urlpath=lab/tree/book/page.ipynb",
                f"https://colab.research.google.com/github/example/pairint/blob/{RELEASE}/book/page.ipynb",
                "https://github.com/example/pairint",
            ],
        ),
    ],
    ids=["none", "github"],
)
def test_buttons_are_there_once_the_repository_has_an_address(tmp_path, address, buttons):
    page = build(tmp_path, address)
    links = Links(page).found
    services = ("mybinder.org", "colab.research", "github.com", ".invalid")
    assert [link for link in links if any(service in link for service in services)] == buttons
    assert not re.search(r"\.invalid|unpkg|thebe|executablebooks/jupyter-book", page)
    assert "../_sources/book/page.ipynb" in links  # the notebook can be fetched in any case
    offered = tmp_path / "_build" / "html" / "_sources" / "book" / "page.ipynb"
    assert offered.read_bytes() == (tmp_path / "book" / "page.ipynb").read_bytes()
