"""Write what the pinned versions bring, as a CycloneDX list: names, versions, hashes of their files.

    python tools/sbom.py sbom.cdx.json

Two runs on the same files write the same bytes: it holds no time and no random number.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def pinned(text: str) -> dict[str, tuple[str, list[str]]]:
    """Return version and SHA-256 hashes by name, from a file of pinned and hashed requirements."""
    found = {}
    for entry in re.sub(r"\\\n", " ", text).splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)(.*)", entry):
            found[match[1].lower()] = match[2], re.findall(r"--hash=sha256:([0-9a-f]{64})", match[3])
    return found


def version() -> str:
    """Return the version of the package."""
    text = (ROOT / "pairint" / "_version.py").read_text(encoding="utf-8")
    match = re.search(r'"(.+?)"', text)
    if match is None:
        raise ValueError("pairint/_version.py holds no version")
    return match[1]


def sbom(text: str, own_version: str) -> dict[str, Any]:
    """Return the list; each file that an index has of a version is a hash of it."""
    components = []
    for name, (number, hashes) in sorted(pinned(text).items()):
        purl = f"pkg:pypi/{name}@{number}"
        references = [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{name}/{number}/",
                "hashes": [{"alg": "SHA-256", "content": digest} for digest in sorted(hashes)],
            }
        ]
        components.append(
            {
                "type": "library",
                "bom-ref": purl,
                "name": name,
                "version": number,
                "purl": purl,
                "externalReferences": references,
            }
        )
    own = {
        "type": "library",
        "bom-ref": f"pkg:pypi/pairint@{own_version}",
        "name": "pairint",
        "version": own_version,
        "licenses": [{"license": {"id": "BSD-3-Clause"}}],
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": own},
        "components": components,
    }


def main(path: str) -> None:
    """Write the list to a file."""
    text = (ROOT / "constraints-hashed.txt").read_text(encoding="utf-8")
    Path(path).write_text(json.dumps(sbom(text, version()), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
