"""The first screen: its code runs."""

import re
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.mark.slow
def test_code_runs():
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {}
    exec(code, names)
    X, fit, model = names["X"], names["fit"], names["model"]
    error = fit.interaction(X[:, 0], X[:, 1]) - model.interaction(X[:, 0], X[:, 1])
    assert np.sqrt(np.mean(error**2)) < 0.1
