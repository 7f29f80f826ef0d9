"""Make, or reuse, the virtual environment in which the book is built and the tests run.

    python tools/environment.py .venv book test classroom

creates ``.venv`` if need be, and installs this package there, editable, with the extras named, at the
versions of ``constraints.txt``. A stamp inside records what was installed; while it holds, nothing is
done.

This file must be readable by any Python, however old, to be able to say that it is too old.
"""
# ruff: noqa: UP031, RUF005

import hashlib
import os
import subprocess
import sys

OLDEST = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VERSION = "%d.%d" % tuple(sys.version_info[:2])


def stop(message):
    sys.stderr.write("\n" + message + "\n\n")
    sys.exit(2)


def check_interpreter():
    """Stop with a sentence that says what to do when this Python cannot make the environment."""
    if sys.version_info[:2] < OLDEST:
        stop(
            "pairint needs Python %d.%d or later; %s is %s. Name another one: make PYTHON=python3.12 ..."
            % (OLDEST + (sys.executable, VERSION))
        )
    try:
        import ensurepip  # noqa: F401  (Debian and Ubuntu ship it apart from Python)
        import venv  # noqa: F401
    except ImportError:
        stop(
            "This Python (%s) has no venv module. On Debian or Ubuntu: apt install python%s-venv; "
            "elsewhere install a complete Python, or name another one: make PYTHON=python3.12 ..."
            % (sys.executable, VERSION)
        )


def key():
    """Return a digest of everything that decides what a right environment holds."""
    digest = hashlib.sha256(VERSION.encode())
    for name in ("pyproject.toml", "constraints.txt"):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def read_stamp(path):
    """Return (key, extras) of the last installation, or (None, empty)."""
    try:
        with open(path) as file:
            first, second = file.read().split("\n")[:2]
    except (OSError, ValueError):
        return None, set()
    return first, set(second.split())


def interpreter(folder):
    """Return the path of an environment's Python."""
    return os.path.join(folder, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))


def version_of(python):
    """Return "major.minor" of an interpreter, or None if it does not run."""
    command = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        return subprocess.check_output(command, stderr=subprocess.DEVNULL).decode().strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def call(command):
    """Run a command in the repository, or stop."""
    sys.stdout.flush()
    status = subprocess.call(command, cwd=ROOT)
    if status != 0:
        stop("This command failed (status %d); see its message above:\n  %s" % (status, " ".join(command)))


def main(folder, extras):
    check_interpreter()
    folder = os.path.abspath(os.path.join(ROOT, folder))
    stamp = os.path.join(folder, ".pairint-installed")
    python = interpreter(folder)
    wanted = set(extras)
    installed_key, installed = read_stamp(stamp)
    same_python = version_of(python) == VERSION
    if same_python and installed_key == key() and wanted <= installed:
        return
    if not same_python:
        print("Creating the environment %s with Python %s" % (folder, VERSION))
        call([sys.executable, "-m", "venv", "--clear", folder])
        installed = set()
    wanted = sorted(wanted | installed)  # an extra asked for once stays up to date
    print("Installing pairint with %s: once, a few minutes" % ", ".join(wanted))
    options = ["-qq", "--disable-pip-version-check", "--no-input", "-c", "constraints.txt"]
    call([python, "-m", "pip", "install"] + options + ["-e", ".[%s]" % ",".join(wanted)])
    with open(stamp, "w") as file:
        file.write("%s\n%s\n" % (key(), " ".join(wanted)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
