"""A channel of one's own with a hard phase, which the tests share."""

import math

import numpy as np

from pairint.aim import Channel
from pairint.aim.channels import index_variances


class Magnitudes(Channel):
    """The absolute value of each index."""

    def output(self, h):
        return np.abs(h)

    def g_out(self, observed, omega, variance):
        scale = np.sqrt(variance * index_variances(self.n_tokens, omega))
        x, u = omega / scale, observed / scale
        return (u * np.tanh(u * x) - x) / scale

    def kappa(self, tau):
        """1 - E u^2 / cosh(ux)^2, by the trapezoidal rule in x and in v = u sqrt(1 + x^2)."""
        if tau == 0:
            return 0.0
        width, step = min(1.0, math.sqrt(tau)), 0.05
        x = width * np.arange(step / 2, 9.5, step)[:, None]
        v = np.arange(-20, 20, 2 * step)
        stretch = np.sqrt(1 + x**2)
        left = stretch**-3 * v**2 / np.cosh(v * x / stretch) ** 2
        inner = (left * np.exp(-((v / stretch - x) ** 2) / 2)).sum(axis=1) * 2 * step
        weight = 2 * width * step * np.exp(-(x[:, 0] ** 2) / (2 * tau)) / math.sqrt(tau)
        return self.n_tokens * (self.n_tokens + 1) * (1 - float(weight @ inner) / (2 * math.pi))
