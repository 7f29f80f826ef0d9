"""Each pinned version comes with the hashes of its files, and a list of them can be made."""

import json
import re
from pathlib import Path

import pytest
import sbom

ROOT = Path(__file__).resolve().parents[2]
HASHED = (ROOT / "constraints-hashed.txt").read_text(encoding="utf-8")


def pins(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", "\n".join(lines), re.MULTILINE))


def test_hashed_versions_are_the_pinned_ones():
    hashed, pinned = pins("constraints-hashed.txt"), pins("constraints.txt")
    assert len(hashed) > 100
    assert hashed.items() <= pinned.items(), "run `make constraints`"


def test_each_version_has_a_hash_and_nothing_else_is_asked_for():
    found = sbom.pinned(HASHED)
    assert all(hashes for _, hashes in found.values())
    entries = [line for line in HASHED.splitlines() if line[:1] not in (" ", "#", "")]
    assert len(entries) == len(found)  # no address, no folder, no option
    assert {"numpy", "scipy", "setuptools", "pytest", "jupyter-book", "playwright"} <= set(found)


def test_an_entry_without_hash_is_seen():
    assert sbom.pinned("a==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\nb==2\n") == {
        "a": ("1.0", ["0" * 64]),
        "b": ("2", []),
    }


def test_the_list_is_cyclonedx_and_the_same_each_time(tmp_path):
    texts = []
    for name in ("one.json", "two.json"):
        sbom.main(str(tmp_path / name))
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1]
    record = json.loads(texts[0])
    assert (record["bomFormat"], record["specVersion"]) == ("CycloneDX", "1.5")
    assert record["metadata"]["component"]["name"] == "pairint"
    names = [component["name"] for component in record["components"]]
    assert names == sorted(pins("constraints-hashed.txt"))
    for component in record["components"]:
        assert component["purl"] == f"pkg:pypi/{component['name']}@{component['version']}"
        (reference,) = component["externalReferences"]
        assert reference["hashes"] and all(len(each["content"]) == 64 for each in reference["hashes"])


@pytest.mark.slow
def test_archives_are_the_same_byte_for_byte(tmp_path):
    """From the same commit, at any time: what is attested can be made again."""
    import hashlib
    import os
    import shutil
    import subprocess
    import sys

    made = []
    for name in ("one", "two"):
        checkout = tmp_path / name
        shutil.copytree(
            ROOT,
            checkout,
            ignore=shutil.ignore_patterns(
                ".venv", "_build", "build", "dist", ".git", "results", "__pycache__"
            ),
        )
        if name == "two":  # checked out under another umask
            for path in checkout.rglob("*"):
                path.chmod(path.stat().st_mode ^ 0o020)
        subprocess.run(
            [sys.executable, "tools/archives.py", "dist"],
            cwd=checkout,
            env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
            check=True,
            capture_output=True,
        )
        made.append(
            {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in (checkout / "dist").iterdir()}
        )
    assert len(made[0]) == 2
    assert made[0] == made[1]
