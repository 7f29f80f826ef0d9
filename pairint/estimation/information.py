"""The information matrix of a fitted model: how well its function, its queries and its keys are known."""

from __future__ import annotations

from typing import Any

from pairint.model.attention import check_tokens
from pairint.model.splines import Spline
from pairint.model.tangent import Information, measured_information
from pairint.validation import check_floats

__all__ = ["fitted_information"]


def fitted_information(fit: Any, X: Any) -> Information:
    """Return the information in outputs of the tokens about a fitted function and matrix.

    Parameters
    ----------
    fit : InteractionRegressor
        Fitted: with ``matrix_``, a spline ``activation_`` and ``noise_std_``.
    X : array_like, shape (M, N, d)
        Tokens; NumPy or CuPy.

    Raises
    ------
    ValueError
        If ``X`` has another dimension than the fit, or the fitted matrix is zero.
    """
    X = check_floats("X", check_tokens(X, fit.n_features_in_))
    if not isinstance(fit.activation_, Spline):
        raise TypeError(f"fit must have a spline as activation_, got {type(fit.activation_).__name__}")
    return measured_information(
        X, fit.matrix_, fit.activation_, space=fit.activation_.space, noise_std=fit.noise_std_
    )
