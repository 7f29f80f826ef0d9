"""What all tests share."""

import matplotlib
import pytest
from hypothesis import settings

matplotlib.use("agg")

# Property tests draw the same examples at every run, and are not timed.
settings.register_profile("deterministic", deadline=None, derandomize=True)
settings.load_profile("deterministic")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-browser", action="store_true", help="skip the browser checks")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names with addresses in memory: each worker of a parallel run would have its own."""
    unstable = [item.nodeid for item in items if " at 0x" in item.nodeid]
    if unstable:
        raise pytest.UsageError(f"give these parameters ids: {unstable}")
