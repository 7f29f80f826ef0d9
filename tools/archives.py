"""Make the wheel and the source archive, with the setuptools of this environment and no network.

Two runs on the same files at the same SOURCE_DATE_EPOCH (the time of the commit) write the same bytes.

    SOURCE_DATE_EPOCH=... python tools/archives.py dist
"""

from __future__ import annotations

import gzip
import io
import os
import sys
import tarfile
import zipfile
from pathlib import Path

from setuptools import build_meta

ROOT = Path(__file__).resolve().parents[1]


def settled(archive: Path, seconds: int) -> None:
    """Write a source archive again with one time, no names of users and one order: the same each time."""
    with tarfile.open(archive) as old:
        members = sorted(old.getmembers(), key=lambda member: member.name)
        contents = [(member, old.extractfile(member)) for member in members]
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as new:
            for member, file in contents:
                member.mtime, member.uid, member.gid, member.uname, member.gname = seconds, 0, 0, "", ""
                member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
                member.pax_headers = {}
                new.addfile(member, file)
    with open(archive, "wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=seconds) as packed:
        packed.write(buffer.getvalue())


def settled_wheel(wheel: Path) -> None:
    """Write a wheel again with rights that do not depend on those of the checkout."""
    with zipfile.ZipFile(wheel) as old:
        members = [(info, old.read(info)) for info in old.infolist()]
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as new:
        for info, content in members:
            mode = 0o755 if info.external_attr >> 16 & 0o100 else 0o644
            info.external_attr = (0o100000 | mode) << 16
            new.writestr(info, content)


def main(folder: str) -> None:
    """Write both archives to a folder."""
    target = str(Path(folder).resolve())
    os.chdir(ROOT)
    seconds = int(os.environ["SOURCE_DATE_EPOCH"])
    name = build_meta.build_sdist(target)
    settled(Path(target) / name, seconds)
    print(name)
    wheel = build_meta.build_wheel(target)
    settled_wheel(Path(target) / wheel)
    print(wheel)


if __name__ == "__main__":
    main(*sys.argv[1:])
