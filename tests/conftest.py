"""What all tests share."""

import matplotlib
import pytest

matplotlib.use("agg")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-browser", action="store_true", help="skip the browser checks")
