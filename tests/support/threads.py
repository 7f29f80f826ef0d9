"""How many threads the linear algebra takes."""

from threadpoolctl import threadpool_info

__all__ = ["blas_threads"]


def blas_threads():
    """Return the number of threads of each BLAS that is loaded."""
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
