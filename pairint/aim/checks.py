r"""Do the methods of a channel or a prior belong together? Statistical checks, of a stated false-alarm rate.

State evolution believes ``kappa`` and ``error``, message passing ``g_out`` and ``denoise``; nothing else
would notice that they contradict each other. Both checks draw from the class itself and compare means with
what it claims, by Student's t. The false-alarm rate is shared among all comparisons (Bonferroni), so that it
bounds the chance that a right class is refused.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import stdtrit

from pairint.aim.channels import Channel, index_variances, scaled_information
from pairint.aim.priors import Prior, denoised, error_left, make_prior
from pairint.validation import check_instance, check_integer, check_real, check_rng, check_size

__all__ = ["check_channel", "check_prior"]

_TAUS = (0.0, 1.0, 10.0)
_DELTAS = (0.1, 1.0, 10.0)


def check_channel(
    channel: Channel,
    n_samples: int = 20_000,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    *,
    false_alarm: float = 1e-6,
) -> list[dict[str, float]]:
    r"""Check by sampling that ``output``, ``g_out`` and ``kappa`` of a channel belong together.

    Book: :doc:`/book/aim_own`.

    Predictions :math:`\omega`, remainders :math:`\xi` and labels are drawn at unit variance, at three signal
    to noise ratios. With the right score :math:`\sigma_{ab}^2 g_{ab} = \mathbb E[\xi_{ab} \mid y, \omega]`,
    hence

    .. math:: 2\,\mathbb E\sum_{a\le b}\sigma_{ab}^2\,g_{ab}^2 = 2\,\mathbb E\sum_{a\le b}\xi_{ab}\,g_{ab}
       = \kappa(\tau) .

    A score of the wrong size or sign fails the first equality, a wrong ``kappa`` the second.

    Parameters
    ----------
    channel : Channel
    n_samples : int
        At each ratio, >= 100: the comparisons rest on the central limit theorem.
    rng : Generator, SeedSequence, int or None
    false_alarm : float
        Probability of refusing a right channel, in [1e-12, 1).

    Returns
    -------
    list of dict
        For each ratio ``tau``: ``kappa`` as claimed, ``squares`` and ``products``, the two means, and their
        standard errors ``squares_error`` and ``products_error``. What finer differences would go unnoticed
        can be read off them.

    Raises
    ------
    ValueError
        If the methods contradict each other, labels of a ``scale_free`` channel change with the scale, or a
        method returns what it must not.
    """
    check_instance("channel", channel, Channel)  # type: ignore[type-abstract]
    n = check_integer("n_samples", n_samples, 100)
    check_size("n_samples", n, channel.n_tokens, channel.n_tokens)
    false_alarm = check_real("false_alarm", false_alarm, 1e-12, 1, exclusive_maximum=True)
    rng = check_rng(rng)
    name, t = type(channel).__name__, channel.n_tokens
    # Each entry of an untied layer is an index, of variance one; its information is counted once.
    sigma2 = index_variances(t) if channel.symmetric else np.ones((t, t))
    upper = np.triu(np.ones((t, t))) if channel.symmetric else np.full((t, t), 0.5)
    limit = -float(stdtrit(n - 1, false_alarm / (4 * len(_TAUS))))

    def symmetric() -> np.ndarray:
        z = rng.standard_normal((n, t, t)) * np.sqrt(sigma2)
        return np.triu(z) + np.triu(z, 1).transpose(0, 2, 1) if channel.symmetric else z

    rows = []
    for tau in _TAUS:
        omega, remainder = math.sqrt(tau) * symmetric(), symmetric()
        labels = channel.output(omega + remainder)
        if channel.scale_free and not np.array_equal(labels, channel.output(3 * (omega + remainder))):
            raise ValueError(f"{name}.output must not change with the scale of h, as scale_free says")
        g = np.asarray(channel.g_out(channel.observe(labels), omega, 1.0))
        if (
            g.shape != (n, t, t)
            or not np.isfinite(g).all()
            or not (np.allclose(g, g.transpose(0, 2, 1)) or not channel.symmetric)
        ):
            raise ValueError(
                f"{name}.g_out must return a finite array of shape {(n, t, t)}, symmetric in its last axes; "
                f"got shape {g.shape}"
            )
        row = {"tau": tau, "kappa": scaled_information(channel, tau, 1.0)}
        for kind, terms in (("squares", sigma2 * g * g), ("products", remainder * g)):
            each = 2 * (upper * terms).sum(axis=(1, 2))
            row[kind] = float(each.mean())
            row[f"{kind}_error"] = float(each.std(ddof=1)) / math.sqrt(n)
        for kind, meaning in (("squares", "the mean square"), ("products", "the product with the remainder")):
            allowed = limit * row[f"{kind}_error"] + 1e-9 * row["kappa"]  # equal terms leave rounding
            if not abs(row[kind] - row["kappa"]) <= allowed:
                raise ValueError(
                    f"{name}.kappa must be what g_out is worth: at tau = {tau:g} it is {row['kappa']:.6g}, "
                    f"twice {meaning} of g_out is {row[kind]:.6g} +- {row[f'{kind}_error']:.2g}"
                )
        rows.append(row)
    return rows


def check_prior(
    prior: Prior,
    d: int = 60,
    n_draws: int = 100,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    *,
    false_alarm: float = 1e-6,
) -> list[dict[str, float]]:
    r"""Check by sampling that ``draw``, the moments, ``denoise`` and ``error`` of a prior belong together.

    Book: :doc:`/book/aim_own`.

    Matrices are drawn and denoised, at three noises. Compared are :math:`\operatorname{Tr} S/d` and
    :math:`\operatorname{Tr} S^2/d` with ``mean`` and ``second_moment``,
    :math:`\lVert S - \hat S\rVert_F^2/d` with ``error``, and :math:`\operatorname{Tr}\hat S(S - \hat S)/d`
    with zero, which it is for a posterior mean.

    All these are limits. Their corrections of order 1/d are removed by comparing twice the mean at 2d minus
    the mean at d (Richardson); those of order :math:`1/d^2` are small beside the errors of 100 draws.

    Parameters
    ----------
    prior : Prior
        With a method ``draw``.
    d : int
        The smaller dimension, >= 10.
    n_draws : int
        At each dimension, 10 to a million.
    rng : Generator, SeedSequence, int or None
    false_alarm : float
        Probability of refusing a right prior, in [1e-12, 1).

    Returns
    -------
    list of dict
        For each comparison: ``quantity`` and ``delta`` (NaN where there is no noise), ``claimed``,
        ``sampled`` and ``standard_error``.

    Raises
    ------
    TypeError
        If the prior draws nothing.
    ValueError
        If the methods contradict each other, or one returns what it must not.
    """
    check_instance("prior", prior, Prior)  # type: ignore[type-abstract]
    prior = make_prior(prior)
    d, n = check_integer("d", d, 10), check_integer("n_draws", n_draws, 10, 10**6)
    check_size("d", 2 * d, 2 * d)
    false_alarm = check_real("false_alarm", false_alarm, 1e-12, 1, exclusive_maximum=True)
    rng = check_rng(rng)
    claims: dict[tuple[str, float], float] = {
        ("Tr S / d", math.nan): prior.mean,
        ("Tr S^2 / d", math.nan): prior.second_moment,
    }
    for delta in _DELTAS:
        claims["error", delta] = error_left(prior, delta)
        claims["Tr S' (S - S') / d", delta] = 0.0
    small, large = (np.array([_measured(prior, size, rng) for _ in range(n)]) for size in (d, 2 * d))
    sampled = 2 * large.mean(axis=0) - small.mean(axis=0)
    errors = np.sqrt((4 * large.var(axis=0, ddof=1) + small.var(axis=0, ddof=1)) / n)
    limit = -float(stdtrit(n - 1, false_alarm / (2 * len(claims))))
    rows: list[dict[str, Any]] = []
    for ((quantity, delta), claimed), mean, error in zip(claims.items(), sampled, errors, strict=True):
        if not abs(mean - claimed) <= limit * error + 1e-9:
            at = "" if math.isnan(delta) else f" at delta = {delta:g}"
            raise ValueError(
                f"{type(prior).__name__}: {quantity}{at} must be {claimed:.6g}, its draws give "
                f"{mean:.6g} +- {error:.2g}"
            )
        rows.append(
            {
                "quantity": quantity,
                "delta": delta,
                "claimed": claimed,
                "sampled": float(mean),
                "standard_error": float(error),
            }
        )
    return rows


def _measured(prior: Prior, d: int, rng: np.random.Generator) -> list[float]:
    """Return the quantities of :func:`check_prior` of one draw."""
    S = np.asarray(prior.draw(d, rng))
    if S.shape != (d, d) or not np.isfinite(S).all() or not np.allclose(S, S.T):
        raise ValueError(
            f"{type(prior).__name__}.draw must return a finite symmetric matrix of shape {(d, d)}, got "
            f"shape {S.shape}"
        )
    found = [float(np.trace(S)) / d, float((S**2).sum()) / d]
    for delta in _DELTAS:
        z = rng.standard_normal((d, d))
        eigenvalues, vectors = np.linalg.eigh(S + math.sqrt(delta / (2 * d)) * (z + z.T))
        estimate = (vectors * denoised(prior, eigenvalues, delta)) @ vectors.T
        found += [float(((S - estimate) ** 2).sum()) / d, float((estimate * (S - estimate)).sum()) / d]
    return found
