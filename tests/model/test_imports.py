"""What comes along with an import: it is felt at every start of a notebook."""

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "unwanted"),
    [
        ("pairint.model", {"scipy", "sklearn", "pandas"}),
        ("pairint.estimation", {"torch", "matplotlib", "cupy"}),
    ],
)
def test_imports_are_lean(package, unwanted):
    code = f"import sys, {package}; print(sorted({unwanted!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
