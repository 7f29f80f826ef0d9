"""Everything in this folder runs on a CUDA device, or says why it does not."""

import pytest

from pairint.backend import usable_gpu


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    usable, reason = usable_gpu()
    for item in items:
        if "gpu" in item.path.parts:
            item.add_marker(pytest.mark.gpu)
            if not usable:
                item.add_marker(pytest.mark.skip(reason=reason))
