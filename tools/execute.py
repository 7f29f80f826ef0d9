"""Execute the book's notebooks side by side, into the cache that the build reads.

Sphinx executes one page after another. This does the same work ahead of it, one kernel per core. A page that
fails is left to the build, which executes it again and reports it.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors.utils import single_nb_execution
from myst_nb.core.config import NbParserConfig
from myst_nb.core.read import create_nb_reader
from myst_parser.config.main import MdParserConfig
from nbformat.v4 import new_code_cell

#: Run after a page's own cells: what they have imported, for those who run the page elsewhere.
PROBE = "import json, sys; print(json.dumps(sorted(sys.modules)))"


def read(path: Path) -> tuple[Any, dict | None] | None:
    """Read a page as the build does: the notebook and its format; nothing if the page is none."""
    text = path.read_text(encoding="utf-8")
    reader = create_nb_reader(str(path), MdParserConfig(), NbParserConfig(), text)
    return None if reader is None else (reader.read(text), reader.read_fmt)


def run(notebook: Any, folder: Path, timeout: float) -> tuple[Any, float, list[str]] | None:
    """Execute a notebook in a folder; return it with its seconds and its modules, or nothing if it fails."""
    notebook.cells.append(new_code_cell(PROBE))
    result = single_nb_execution(notebook, cwd=str(folder), timeout=timeout, allow_errors=False)
    probe = notebook.cells.pop()
    if result.err is not None:
        return None
    printed = "".join(each.text for each in probe.outputs if each.get("name") == "stdout")
    return notebook, result.time, json.loads(printed)


def modules(page: Path, cache_folder: Path) -> list[str]:
    """Return the names of the modules that a page had imported at its end; none if that is not known."""
    found = read(page)
    if found is None:
        return []
    try:
        record = get_cache(str(cache_folder)).match_cache_notebook(found[0])
    except KeyError:
        return []
    return record.data.get("modules", [])


def execute(pages: list[Path], cache_folder: Path, jobs: int | None = None, timeout: float = 300) -> int:
    """Execute the pages that the cache does not hold; return how many it took up.

    Only this process writes to the cache.
    """
    cache = get_cache(str(cache_folder))
    missing = {}
    for page in pages:
        found = read(page)
        if found is None:
            continue
        try:
            cache.match_cache_notebook(found[0])
        except KeyError:
            missing[page] = found
    if not missing:
        return 0
    count = 0
    print(f"Executing {len(missing)} pages", flush=True)
    with ProcessPoolExecutor(min(len(missing), jobs or os.cpu_count() or 1)) as pool:
        futures = {pool.submit(run, missing[page][0], page.parent, timeout): page for page in missing}
        for done, future in enumerate(as_completed(futures), start=1):
            page, result = futures[future], future.result()
            if result is None:
                print(f"{done}/{len(missing)} {page.name}: failed, the build will say how", flush=True)
                continue
            notebook, seconds, imported = result
            form = missing[page][1]
            record = cache.add_nb_to_project(str(page), **({"read_data": form} if form else {}))
            data = {"execution_seconds": seconds, "modules": imported}
            bundle = CacheBundleIn(notebook, record.uri, data=data)
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            count += 1
            print(f"{done}/{len(missing)} {page.name}: {seconds:.0f} s", flush=True)
    return count
