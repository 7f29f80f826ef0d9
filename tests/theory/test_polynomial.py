"""What other weights do to an output, and where polynomials are positive: proofs that could fail."""

import math

import numpy as np
import pytest

from pairint.theory import attention_error_bound, smallest_value, taylor_coefficients, weight_oscillation


def outputs(weights, values):
    return weights @ values / weights.sum(axis=-1, keepdims=True)


class TestBound:
    def ratios(self, factor=4.0):
        """Error over bound of many random rows; the bound with 1/4 replaced by 1/factor."""
        rng = np.random.default_rng(0)
        found = []
        for n in (2, 3, 8):
            w = rng.exponential(size=(4000, n)) ** 2
            # Ratios at the two ends only are the worst; their place is drawn.
            other = w * np.where(rng.random((4000, n)) < 0.5, 1.0, np.exp(rng.uniform(0, 4, (4000, 1))))
            values = rng.standard_normal((n, 2))
            moved = np.linalg.norm(outputs(other, values) - outputs(w, values), axis=1)
            apart = np.linalg.norm(values[:, None] - values, axis=2).max()
            omega = weight_oscillation(w, other)
            ok = omega > 1e-3
            bound = attention_error_bound(4 * omega / factor, apart)
            found.append((moved[ok] / bound[ok]).max())
        return found

    def test_no_row_moves_more(self):
        assert max(self.ratios()) <= 1 + 1e-12

    def test_a_smaller_bound_is_false(self):
        """The control: the same rows refute tanh(omega / 4.2)."""
        assert max(self.ratios(4.2)) > 1

    @pytest.mark.parametrize("omega", [0.01, 1.0, 5.0])
    def test_it_is_attained(self, omega):
        w, other = np.array([1.0, math.exp(omega / 2)]), np.array([math.exp(omega / 2), 1.0])
        assert weight_oscillation(w, other) == pytest.approx(omega)
        moved = abs(outputs(other, np.array([[0.0], [1.0]])) - outputs(w, np.array([[0.0], [1.0]])))
        assert float(moved[0]) == pytest.approx(float(attention_error_bound(omega)), rel=1e-12)

    @pytest.mark.parametrize("eps", [0.01, 0.3, 0.9])
    def test_relative_errors(self, eps):
        """In terms of the largest relative error: eps / (1 + sqrt(1 - eps^2)), less than eps."""
        bound = float(attention_error_bound(math.log((1 + eps) / (1 - eps))))
        assert bound == pytest.approx(eps / (1 + math.sqrt(1 - eps**2))) and eps / 2 < bound < eps

    def test_a_factor_of_a_row_changes_nothing(self):
        w, other = np.random.default_rng(1).exponential(size=(2, 5, 4))
        np.testing.assert_allclose(weight_oscillation(w, other), weight_oscillation(w, 7 * other), rtol=1e-12)

    def test_what_is_refused(self):
        with pytest.raises(ValueError, match="weights must be positive, got 0"):
            weight_oscillation([0.0, 1.0], [1.0, 1.0])
        with pytest.raises(ValueError, match="oscillation must be >= 0"):
            attention_error_bound(-1.0)


class TestPositive:
    @pytest.mark.parametrize("degree", range(1, 12))
    def test_taylor(self, degree):
        """Of an even degree positive, and its smallest value the term that the proof names; else negative."""
        a = taylor_coefficients(degree)
        least = smallest_value(a)
        if degree % 2:
            assert least == -math.inf
            return
        t = np.roots(np.polynomial.polynomial.polyder(a)[::-1])
        real = t[np.abs(t.imag) < 1e-9].real
        assert least > 0
        assert least == pytest.approx(np.min(real**degree) / math.factorial(degree), rel=1e-6)

    def test_about_a_centre(self):
        t, c = np.linspace(-2, 3, 11), 1.5
        wanted = sum((t - c) ** m / math.factorial(m) for m in range(5))
        found = np.polynomial.polynomial.polyval(t, taylor_coefficients(4, c))
        np.testing.assert_allclose(found, wanted, rtol=1e-12)

    @pytest.mark.parametrize(
        ("coefficients", "least"),
        [
            ([3.0], 3.0),
            ([1.0, -2.0, 1.0], 0.0),
            ([0.0, 0.0, -1.0], -math.inf),
            ([2.0, 0.0, -2.0, 0.0, 1.0], 1.0),
        ],
    )
    def test_smallest_values(self, coefficients, least):
        assert smallest_value(coefficients) == pytest.approx(least, abs=1e-9)
        if least > -math.inf:
            t = np.linspace(-3, 3, 10_001)
            assert np.polynomial.polynomial.polyval(t, np.array(coefficients)).min() >= least - 1e-9
