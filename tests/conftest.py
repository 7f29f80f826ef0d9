"""What all tests share."""

import matplotlib
import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits
from threads import blas_threads

matplotlib.use("agg")

# Property tests draw the same examples at every run, and are not timed.
settings.register_profile("deterministic", deadline=None, derandomize=True)
settings.load_profile("deterministic")


@pytest.fixture
def allowed():
    """Two threads for every BLAS, as on a machine with two cores and no limit in the environment."""
    with threadpool_limits(2, user_api="blas"):
        counts = blas_threads()
        if set(counts) != {2}:
            pytest.skip(f"the linear algebra here takes no limit: threads {counts}")
        yield counts


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-browser", action="store_true", help="skip the browser checks")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names with addresses in memory: each worker of a parallel run would have its own."""
    unstable = [item.nodeid for item in items if " at 0x" in item.nodeid]
    if unstable:
        raise pytest.UsageError(f"give these parameters ids: {unstable}")
