r"""What is observed: a channel maps activated scores to outputs.

The factors of a matrix give scores :math:`S_{mij} = X_{mi}^\top A X_{mj}`, an activation gives
:math:`H = \varphi(S)`, and a channel gives outputs :math:`O = C(H)`. All that a fit needs of the channel are
the products of its Jacobian in ``H`` and of the transpose with arrays: the chain rule does the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pairint.backend import array_namespace
from pairint.validation import check_flag, check_real, shortened

__all__ = [
    "CHANNELS",
    "LinearScoreChannel",
    "Mean",
    "Normalised",
    "PairData",
    "ScoreChannel",
    "Sum",
    "as_channel",
]


@dataclass(frozen=True)
class PairData:
    """What a channel may look at besides the activated scores: the known things about ``m`` samples.

    Book: :doc:`/book/channels`.

    Parameters
    ----------
    mask : array, shape (m, N, N) or (1, N, N)
        Ones where token ``j`` is a partner of token ``i``, and zeros.
    values : array, shape (m, N) or (m, N, v), optional
        What token ``j`` hands over.
    pairs : array, shape (m, N, N) or (m, N, N, v), optional
        What is handed over from ``j`` to ``i``: a velocity, a distance.
    """

    mask: Any
    values: Any = None
    pairs: Any = None

    def __getitem__(self, samples: Any) -> PairData:
        """Return what belongs to some of the samples."""
        mask = self.mask if self.mask.shape[0] == 1 else self.mask[samples]
        values = None if self.values is None else self.values[samples]
        return PairData(mask, values, None if self.pairs is None else self.pairs[samples])

    def with_values(self, values: Any) -> PairData:
        """Return the same with other values."""
        return replace(self, values=values)

    @cached_property
    def partners(self) -> Any:
        """Number of partners of each token, shape ``(m, N)`` or ``(1, N)``."""
        return self.mask.sum(axis=-1)

    def read(self, weights: Any) -> Any:
        """Return ``sum_j weights_ij`` times what ``j`` hands over to ``i``.

        The shape is ``(m, N)`` or ``(m, N, v)``. Without values and pairs, one is handed over.
        """
        if self.pairs is not None:
            if self.pairs.ndim == 3:
                return (weights * self.pairs).sum(axis=-1)
            return (weights[:, :, None, :] @ self.pairs)[:, :, 0]
        if self.values is None:
            return weights.sum(axis=-1)
        if self.values.ndim == 2:
            return (weights @ self.values[:, :, None])[:, :, 0]
        return weights @ self.values

    def spread(self, bar: Any) -> Any:
        """Apply the transpose of :meth:`read`, from outputs to weights: shape ``(m, N, N)``."""
        xp = array_namespace(bar)
        if self.pairs is not None:
            if self.pairs.ndim == 3:
                return bar[:, :, None] * self.pairs
            return (self.pairs @ bar[:, :, :, None])[:, :, :, 0]
        if self.values is None:
            return bar[:, :, None] * xp.ones((1, 1, bar.shape[1]), dtype=bar.dtype)
        if self.values.ndim == 2:
            return bar[:, :, None] * self.values[:, None, :]
        return bar @ xp.swapaxes(self.values, -1, -2)


class ScoreChannel:
    """A map from activated scores ``H``, shape ``(m, N, N)``, to outputs, ``(m, N)`` or ``(m, N, v)``.

    Book: :doc:`/book/channels`.

    A channel of one's own has three methods, each for a chunk of samples (two, if the outputs are linear in
    ``H``: see :class:`LinearScoreChannel`). The sum of the outputs over several heads is taken outside.

    Parameters
    ----------
    diagonal : bool
        Whether a token is its own partner.

    Attributes
    ----------
    positive : bool
        Whether ``H`` must be positive: then the logarithm of the activation is learned by default.
    scale_free : bool
        Whether a factor common to a row of ``H`` changes nothing: the activation is known up to a factor.
    linear : bool
        Whether the outputs are linear in ``H``.

    Examples
    --------
    The free energy of each token, ``log sum_j phi(S_ij)``, as a channel:

    >>> import numpy as np
    >>> class FreeEnergy(ScoreChannel):
    ...     positive = True
    ...     def outputs(self, H, data):
    ...         return np.log((H * data.mask).sum(axis=-1))
    ...     def jvp(self, H, dH, data):
    ...         return (dH * data.mask).sum(axis=-1) / (H * data.mask).sum(axis=-1)
    ...     def vjp(self, H, bar, data):
    ...         return data.mask * (bar / (H * data.mask).sum(axis=-1))[:, :, None]
    >>> data = PairData(np.ones((1, 2, 2)))
    >>> FreeEnergy().outputs(np.full((1, 2, 2), 0.5), data)
    array([[0., 0.]])
    """

    positive = False
    scale_free = False
    linear = False

    def __init__(self, diagonal: bool = False) -> None:
        self.diagonal = check_flag("diagonal", diagonal)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(diagonal={self.diagonal})"

    def outputs(self, H: Any, data: PairData) -> Any:
        """Return the outputs ``C(H)``."""
        raise NotImplementedError

    def jvp(self, H: Any, dH: Any, data: PairData) -> Any:
        """Return ``dC/dH`` applied to a change ``dH`` of the activated scores: the shape of the outputs."""
        raise NotImplementedError

    def vjp(self, H: Any, bar: Any, data: PairData) -> Any:
        """Return the transpose of :meth:`jvp` applied to ``bar`` (the outputs' shape): ``(m, N, N)``."""
        raise NotImplementedError

    def values_vjp(self, H: Any, bar: Any, data: PairData) -> Any:
        """Apply the transpose of ``values -> outputs``, shape ``(m, N, v)``: to learn values, only.

        A channel that has it must be linear in ``data.values``.
        """
        raise ValueError(f'values="learn" needs a channel with values_vjp, and {self!r} has none')

    def admissible(self, H: Any, data: PairData) -> bool:
        """Say whether outputs may be formed from ``H``: a step of the fit that leads elsewhere is refused."""
        return True


class LinearScoreChannel(ScoreChannel):
    """A channel whose outputs are linear in ``H``: ``outputs`` and ``vjp`` are all it needs.

    Book: :doc:`/book/channels`.
    """

    linear = True

    def jvp(self, H: Any, dH: Any, data: PairData) -> Any:
        return self.outputs(dH, data)


class Sum(LinearScoreChannel):
    r"""The sum over partners, :math:`O_i = \sum_{j} H_{ij} v_j` (or of ``pairs``, or of one).

    Book: :doc:`/book/channels`.
    """

    def _weights(self, H: Any, data: PairData) -> Any:
        return H * data.mask

    def outputs(self, H: Any, data: PairData) -> Any:
        return data.read(self._weights(H, data))

    def vjp(self, H: Any, bar: Any, data: PairData) -> Any:
        return self._weights(data.spread(bar), data)

    def values_vjp(self, H: Any, bar: Any, data: PairData) -> Any:
        return array_namespace(H).swapaxes(self._weights(H, data), -1, -2) @ bar


class Mean(Sum):
    r"""The mean over partners, :math:`O_i = \frac{1}{n_i}\sum_{j} H_{ij} v_j`.

    Book: :doc:`/book/channels`.
    """

    def _weights(self, H: Any, data: PairData) -> Any:
        return H * (data.mask / data.partners[:, :, None])


class Normalised(ScoreChannel):
    r"""The row-normalised sum, :math:`O_i = \sum_j H_{ij} v_j / \sum_j H_{ij}`: with ``exp`` it is softmax.

    Book: :doc:`/book/channels`.

    Parameters
    ----------
    diagonal : bool
        Whether a token is its own partner: in attention it is.
    guard : float
        A step is refused if a denominator is not above ``guard`` times the sum of the absolute values, from
        0 to 1. With ``-inf`` there is no guard: for showing what happens then, only.
    """

    positive = True
    scale_free = True

    def __init__(self, diagonal: bool = True, guard: float = 1e-3) -> None:
        super().__init__(diagonal)
        off = isinstance(guard, float) and guard == -math.inf
        self.guard = guard if off else check_real("guard", guard, 0.0, 1.0)

    def _weights(self, H: Any, data: PairData) -> Any:
        masked = H * data.mask
        return masked / masked.sum(axis=-1)[:, :, None]

    def outputs(self, H: Any, data: PairData) -> Any:
        return data.read(self._weights(H, data))

    def jvp(self, H: Any, dH: Any, data: PairData) -> Any:
        masked, change = H * data.mask, dH * data.mask
        total = masked.sum(axis=-1)
        outputs, moved = data.read(masked), data.read(change)
        ratio = change.sum(axis=-1) / total
        if outputs.ndim == 3:
            total, ratio = total[:, :, None], ratio[:, :, None]
        return (moved - outputs * ratio) / total

    def vjp(self, H: Any, bar: Any, data: PairData) -> Any:
        masked = H * data.mask
        total = masked.sum(axis=-1)
        pulled = data.read(masked) / (total[:, :, None] if bar.ndim == 3 else total) * bar
        if bar.ndim == 3:
            pulled = pulled.sum(axis=-1)
        return (data.spread(bar) - pulled[:, :, None]) * (data.mask / total[:, :, None])

    def values_vjp(self, H: Any, bar: Any, data: PairData) -> Any:
        return array_namespace(H).swapaxes(self._weights(H, data), -1, -2) @ bar

    def admissible(self, H: Any, data: PairData) -> bool:
        masked = H * data.mask
        xp = array_namespace(H)
        return bool(xp.all(masked.sum(axis=-1) > self.guard * xp.abs(masked).sum(axis=-1)))


#: The channels that have a name.
CHANNELS: dict[str, type[ScoreChannel]] = {"mean": Mean, "sum": Sum, "normalised": Normalised}


def as_channel(channel: Any) -> ScoreChannel:
    """Return a channel from itself or its name.

    Raises
    ------
    ValueError
        For another name.
    TypeError
        For anything else.
    """
    if isinstance(channel, ScoreChannel):
        return channel
    if isinstance(channel, str):
        if channel in CHANNELS:
            return CHANNELS[channel]()
        names = ", ".join(map(repr, CHANNELS))
        raise ValueError(f"channel must be one of {names}, or a ScoreChannel; got {shortened(channel)}")
    raise TypeError(f"channel must be a name or a ScoreChannel (an instance), got {shortened(channel)}")
