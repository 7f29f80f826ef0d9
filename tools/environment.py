"""Make, or reuse, the virtual environment in which the book is built and the tests run.

    python tools/environment.py .venv book test classroom

creates ``.venv`` if need be, and installs this package there, editable, with the extras named, at the versions of
``constraints.txt``. A stamp inside the environment records what was installed; while it holds, a call does nothing.

This file must be readable by any Python, however old, to be able to say that it is too old.
"""

import hashlib
import os
import subprocess
import sys

OLDEST = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def stop(message):
    sys.stderr.write("\n" + message + "\n\n")
    sys.exit(2)


def check_interpreter():
    """Stop with a sentence that says what to do when this Python cannot make the environment."""
    if sys.version_info[:2] < OLDEST:
        stop(
            "pairint needs Python %d.%d or later; this one (%s) is %d.%d. "
            "Name another: make PYTHON=python3.12 ..."
            % (OLDEST + (sys.executable,) + tuple(sys.version_info[:2]))
        )
    try:
        import ensurepip  # noqa: F401  (Debian and Ubuntu ship it apart from Python)
        import venv  # noqa: F401
    except ImportError:
        stop(
            "This Python (%s) has no venv module. On Debian or Ubuntu: apt install python%d.%d-venv; "
            "elsewhere install a complete Python, or name one: make PYTHON=python3.12 ..."
            % ((sys.executable,) + tuple(sys.version_info[:2]))
        )


def key():
    """Everything that decides what a right environment holds."""
    digest = hashlib.sha256("{}.{}".format(*sys.version_info[:2]).encode())
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
    return os.path.join(folder, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))


def version_of(python):
    """Return "major.minor" of an interpreter, or None if it does not run."""
    try:
        command = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        return subprocess.check_output(command, stderr=subprocess.DEVNULL).decode().strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def call(*command):
    status = subprocess.call(command, cwd=ROOT)
    if status != 0:
        stop("This command failed (status %d); see its message above:\n  %s" % (status, " ".join(command)))


def main(folder, extras):
    check_interpreter()
    folder = os.path.abspath(os.path.join(ROOT, folder))
    stamp = os.path.join(folder, ".pairint-installed")
    wanted = set(extras)
    installed_key, installed = read_stamp(stamp)
    same_python = version_of(interpreter(folder)) == "{}.{}".format(*sys.version_info[:2])
    if same_python and installed_key == key() and wanted <= installed:
        return
    if not same_python:
        print("Creating the environment %s with Python %d.%d" % ((folder,) + tuple(sys.version_info[:2])))
        call(sys.executable, "-m", "venv", "--clear", folder)
        installed = set()
    wanted |= installed  # an extra asked for once stays up to date
    print("Installing pairint and its tools (%s); this happens once and takes a few minutes" % ", ".join(sorted(wanted)))
    sys.stdout.flush()
    requirement = ".[%s]" % ",".join(sorted(wanted))
    pip = [interpreter(folder), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    call(*(pip + ["-c", "constraints.txt", "-e", requirement]))
    with open(stamp, "w") as file:
        file.write("{}\n{}\n".format(key(), " ".join(sorted(wanted))))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
