"""Answers to the assignment on the exploration measure: plausible mistakes, and unusual right ones.

Each is the solution with some words replaced.
"""

__all__ = ["ALTERNATIVES", "IN_ONE_SUBMISSION", "MISTAKES"]

#: Words of the solutions that several entries replace.
STEPS = "max((np.arange(1, n + 1) / n - F).max(), (F - np.arange(n) / n).max())"
GAP = "g1(X[:, 0], X[:, 1]) - g2(X[:, 0], X[:, 1])"

# A plausible mistake: the answer, the words that are replaced, by what, and the tests that must notice.
FORWARD, VALUES = {"forward-example", "forward-values"}, {"forward-values"}
MISTAKES = [
    # The forward operator.
    ("counts j = i", "forward", "values * partners", "values", FORWARD),
    ("divides by N", "forward", "(X.shape[1] - 1)", "X.shape[1]", FORWARD),
    ("forgets to divide", "forward", " / (X.shape[1] - 1)", "", FORWARD),
    ("sums over i", "forward", "axis=-1", "axis=-2", VALUES),
    (
        "keeps phi(0) for j = i",
        "forward",
        "values * partners",
        "phi(X @ A @ X.transpose(0, 2, 1) * partners)",
        VALUES,
    ),
    ("forgets A", "forward", "X @ A @", "X @", VALUES),
    (
        "forgets phi",
        "forward",
        "phi(X @ A @ X.transpose(0, 2, 1))",
        "X @ A @ X.transpose(0, 2, 1)",
        VALUES | {"forward-vectorised"},
    ),
    (
        "loops over the samples",
        "forward",
        "values = phi(X @ A @ X.transpose(0, 2, 1))",
        "values = np.array([phi(x @ A @ x.T) for x in X])",
        {"forward-vectorised"},
    ),
    (
        "lets the package do it",
        "forward",
        "values =",
        "from pairint.model import AttentionModel\n"
        "    return AttentionModel(phi, A, UniformCube(len(A))).forward(X)\n    values =",
        VALUES,
    ),
    # The simulation.
    ("takes sigma for a variance", "simulate", "sigma * rng", "np.sqrt(sigma) * rng", {"simulate-law"}),
    ("noise of variance sigma^4", "simulate", "sigma * rng", "sigma**2 * rng", {"simulate-law"}),
    ("one noise per sample", "simulate", "((n_samples, n_tokens))", "((n_samples, 1))", {"simulate-law"}),
    ("one noise per token", "simulate", "((n_samples, n_tokens))", "(n_tokens)", {"simulate-law"}),
    ("uniform noise", "simulate", "standard_normal((n", "uniform(-(3**0.5), 3**0.5, (n", {"simulate-law"}),
    (
        "a generator of its own",
        "simulate",
        "X = tokens",
        "rng = np.random.default_rng(0)\n    X = tokens",
        {"simulate-law"},
    ),
    ("another token law", "simulate", "X = tokens", "X = UniformCube(len(A))", {"simulate-law"}),
    ("no noise", "simulate", " + noise", "", {"simulate-law"}),
    ("only noise", "simulate", "forward_operator(X, A, phi) + noise", "noise", {"simulate-law"}),
    # Identifiability.
    ("stretches the wrong way", "equivalent", "u / c", "u * c", {"equivalent-values", "canonical-values"}),
    (
        "scales the values",
        "equivalent",
        "phi(u / c)",
        "phi(u) / c",
        {"equivalent-values", "canonical-values"},
    ),
    ("forgets the sign of c", "equivalent", "u / c", "u / abs(c)", {"equivalent-values", "canonical-values"}),
    ("forgets the sign of A", "canonical", "np.sign(largest) / ", "1 / ", {"canonical-values"}),
    ("takes the spectral norm", "canonical", "norm(A)", "norm(A, 2)", {"canonical-values"}),
    (
        "looks at the largest, not in size",
        "canonical",
        "np.argmax(np.abs(A))",
        "np.argmax(A)",
        {"canonical-values"},
    ),
    (
        "forgets the activation",
        "canonical",
        "return",
        "return A * np.sign(largest) / np.linalg.norm(A), phi\n    return",
        {"canonical-values"},
    ),
    # The law of the score.
    ("keeps the scores with j = i", "scores", "[:, partners]", "", {"scores-values"}),
    (
        "keeps i < j only",
        "scores",
        "~np.eye(X.shape[1], dtype=bool)",
        "np.triu(np.ones((X.shape[1],) * 2, dtype=bool), 1)",
        {"scores-values"},
    ),
    ("one score a sample", "scores", "[:, partners]", "[:, 0, 1]", {"scores-values"}),
    ("counts", "histogram", " / len(U) / np.diff(edges)", "", {"histogram-values"}),
    ("fractions", "histogram", " / np.diff(edges)", "", {"histogram-values"}),
    ("one width for all cells", "histogram", "np.diff(edges)", "(edges[1] - edges[0])", {"histogram-values"}),
    (
        "cells drawn anew",
        "histogram",
        "np.histogram(U, edges)",
        "np.histogram(U, len(edges) - 1)",
        {"histogram-values"},
    ),
    ("density not normalised", "law", " / 2 / (3 * abs(a))", "", {"law-values", "quadrature-values"}),
    (
        "density without its half",
        "law",
        " / 2 / (3 * abs(a))",
        " / (3 * abs(a))",
        {"law-values", "quadrature-values"},
    ),
    ("density of VW", "law", " / 2 / (3 * abs(a))", " / 2", {"law-values", "quadrature-values"}),
    ("negative density outside", "law", "(t > 0) & (t < 1)", "t > 0", {"law-values"}),
    (
        "a density for a > 0",
        "law",
        "0.0) / 2 / (3 * abs(a))",
        "0.0) / 2 / (3 * a)",
        {"law-values", "quadrature-values"},
    ),
    ("tokens on [-1, 1]", "law", "(3 * abs(a))", "abs(a)", {"law-values", "quadrature-values"}),
    ("nan at 0", "law", "size = np.where(t == 0, 1.0, np.abs(t))", "size = np.abs(t)", {"law-values"}),
    ("a cdf for a > 0", "law", "np.asarray(u) / (3 * abs(a))", "np.asarray(u) / (3 * a)", {"law-values"}),
    ("P(U > u)", "law", "(1 + t *", "(1 - t *", {"law-values"}),
    (
        "P(|U| <= u)",
        "law",
        "return (1 + t * (1 - np.log(size))) / 2",
        "return t * (1 - np.log(size))",
        {"law-values"},
    ),
    (
        "only above the staircase",
        "kolmogorov",
        STEPS,
        "np.abs(np.arange(1, n + 1) / n - F).max()",
        {"kolmogorov-values"},
    ),
    ("forgets to sort", "kolmogorov", "np.sort(U)", "U", {"kolmogorov-values"}),
    (
        "a mean difference",
        "kolmogorov",
        STEPS,
        "np.abs(np.arange(1, n + 1) / n - F).mean()",
        {"kolmogorov-values"},
    ),
    # The distance.
    ("no square", "distance", "** 2", "** 1", {"distance-value"}),
    ("absolute values", "distance", f"({GAP}) ** 2", f"np.abs({GAP})", {"distance-value"}),
    (
        "square of the mean",
        "distance",
        "squares.mean(), ",
        f"({GAP}).mean() ** 2, ",
        {"distance-value", "distance-error"},
    ),
    (
        "the distance, not squared",
        "distance",
        "squares.mean(), ",
        "np.sqrt(squares.mean()), ",
        {"distance-value", "distance-error"},
    ),
    (
        "a difference of squares",
        "distance",
        f"({GAP}) ** 2",
        "g1(X[:, 0], X[:, 1]) ** 2 - g2(X[:, 0], X[:, 1]) ** 2",
        {"distance-value"},
    ),
    ("a token with itself", "distance", "X[:, 1]", "X[:, 0]", {"distance-value"}),
    (
        "tokens of two samples",
        "distance",
        "X = tokens.sample(n_pairs, 2, rng)",
        "X = tokens.sample(n_pairs, 2, rng)\n    X[:, 1] = tokens.sample(n_pairs, 2, rng)[:, 0]",
        {"distance-value"},
    ),
    ("no square root of n", "distance", " / np.sqrt(n_pairs)", "", {"distance-error"}),
    ("n instead of its square root", "distance", "np.sqrt(n_pairs)", "n_pairs", {"distance-error"}),
    (
        "a variance for an error",
        "distance",
        "squares.std(ddof=1) / np.sqrt(n_pairs)",
        "squares.var(ddof=1) / n_pairs",
        {"distance-error"},
    ),
    (
        "the error of the difference",
        "distance",
        "squares.std(ddof=1)",
        "np.sqrt(squares).std(ddof=1)",
        {"distance-error"},
    ),
    ("an integral without the law", "quadrature", " * score_density(u, a)", "", {"quadrature-values"}),
    ("an integral without the square", "quadrature", "** 2", "", {"quadrature-values"}),
    (
        "half of the line",
        "quadrature",
        "integrate.quad(integrand, -bound, 0)[0] + ",
        "",
        {"quadrature-values"},
    ),
    ("the wrong ends", "quadrature", "3 * abs(a)", "3", {"quadrature-values"}),
    (
        "a sum on a grid",
        "quadrature",
        "return integrate",
        "return integrand(np.linspace(-bound, bound, 1000)).mean() * 2 * bound\n    return integrate",
        {"quadrature-values"},
    ),
    # Coercivity.
    ("counts j = i", "coercivity", " * partners\n", "\n", {"coercivity-values"}),
    (
        "divides by N",
        "coercivity",
        "values.sum(axis=-1) / (n_tokens - 1)",
        "values.mean(axis=-1)",
        {"coercivity-values"},
    ),
    (
        "sums over i",
        "coercivity",
        "axis=-1) / (n_tokens - 1)",
        "axis=-2) / (n_tokens - 1)",
        {"coercivity-values"},
    ),
    ("no square of R_h", "coercivity", "(forward**2)", "np.abs(forward)", {"coercivity-values"}),
    (
        "no square of h",
        "coercivity",
        "(values[:, partners] ** 2)",
        "np.abs(values[:, partners])",
        {"coercivity-values"},
    ),
    (
        "the mean of h^2 over all i, j",
        "coercivity",
        "values[:, partners] ** 2",
        "values**2",
        {"coercivity-values"},
    ),
    ("forgets 1 / (N - 1)", "coercivity", "pairwise / (n_tokens - 1)", "pairwise", {"coercivity-values"}),
    ("1 / N", "coercivity", "pairwise / (n_tokens - 1)", "pairwise / n_tokens", {"coercivity-values"}),
    (
        "all tokens independent",
        "coercivity",
        "per_sample.std(ddof=1) / np.sqrt(n_samples)",
        "(forward**2).std(ddof=1) / np.sqrt(forward.size)",
        {"coercivity-error"},
    ),
    ("no square root of M", "coercivity", "np.sqrt(n_samples)", "n_samples", {"coercivity-error"}),
    ("a standard deviation for an error", "coercivity", " / np.sqrt(n_samples)", "", {"coercivity-error"}),
    (
        "uses the diagonal",
        "invisible",
        "H = np.zeros((n_points, n_points))\n",
        "return np.eye(n_points) - 1 / n_points\n",
        {"invisible-values"},
    ),
    ("zero", "invisible", "return H", "return 0 * H", {"invisible-values"}),
    (
        "not symmetric",
        "invisible",
        "H[i, j] = H[j, i] = sign",
        "H[i, j], H[i, (j + 1) % 4] = sign, -sign",
        {"invisible-values"},
    ),
    (
        "all entries one",
        "invisible",
        "return H",
        "return np.ones_like(H) - np.eye(n_points)",
        {"invisible-values"},
    ),
    ("not normalised", "invisible", " * np.sqrt(n_points * (n_points - 1) / 8)", "", {"invisible-values"}),
    (
        "rows 0 1 2 3 only for four points",
        "invisible",
        "(n_points * (n_points - 1) / 8)",
        "(12 / 8)",
        {"invisible-values"},
    ),
]

# A right answer that looks different: the answer, the words that are replaced, and by what.
ALTERNATIVES = [
    (
        "subtracts j = i",
        "forward",
        "(values * partners).sum(axis=-1)",
        "(values.sum(axis=-1) - values.diagonal(axis1=1, axis2=2))",
    ),
    (
        "loops over the tokens",
        "forward",
        "values =",
        "tokens, out = X.transpose(1, 0, 2), np.zeros(X.shape[:2])\n"
        "    for i, x in enumerate(tokens):\n"
        "        for j, y in enumerate(tokens):\n"
        "            if i != j:\n"
        "                out[:, i] += phi(np.einsum('ma,ab,mb->m', x, A, y)) / (len(tokens) - 1)\n"
        "    return out\n    values =",
    ),
    (
        "noise before tokens",
        "simulate",
        "X = tokens",
        "noise = rng.normal(0, sigma, (n_samples, n_tokens))\n"
        "    X = tokens.sample(n_samples, n_tokens, rng)\n"
        "    return X, forward_operator(X, A, phi) + noise\n    X = tokens",
    ),
    ("a norm of its own", "canonical", "np.linalg.norm(A)", "np.sqrt(np.trace(A.T @ A))"),
    (
        "NumPy's density",
        "histogram",
        "counts / len(U) / np.diff(edges)",
        "np.histogram(U, edges, density=True)[0]",
    ),
    (
        "infinite at 0",
        "law",
        "inside = (t > 0) & (t < 1)",
        "inside = t < 1\n    with np.errstate(divide='ignore'):\n"
        "        return np.where(inside, -np.log(np.minimum(t, 1)), 0.0) / (6 * abs(a))",
    ),
    (
        "SciPy's test",
        "kolmogorov",
        "F = cdf",
        "from scipy import stats\n    return stats.kstest(U, cdf).statistic\n    F = cdf",
    ),
    ("a standard deviation with n", "distance", "ddof=1", "ddof=0"),
    (
        "an integral over both tokens",
        "quadrature",
        "return integrate",
        "return integrate.dblquad(\n"
        "        lambda v, w: (phi1(3 * a * v * w) - phi2(3 * a * v * w)) ** 2 / 4, -1, 1, -1, 1\n"
        "    )[0]\n    return integrate",
    ),
    (
        "a loop over the samples",
        "coercivity",
        "per_sample = (forward**2).mean(axis=-1)",
        "per_sample = np.array([np.mean(row**2) for row in forward])",
    ),
    (
        "the cycle backwards",
        "invisible",
        "sign in ((0, 1, 1), (1, 2, -1), (2, 3, 1), (3, 0, -1))",
        "sign in ((3, 2, 1), (2, 1, -1), (1, 0, 1), (0, 3, -1))",
    ),
]

#: The mistakes of the wrong submission, one for each part.
IN_ONE_SUBMISSION = [
    ("counts j = i", "forward"),
    ("forgets the sign of A", "canonical"),
    ("density not normalised", "law"),
    ("no square", "distance"),
    ("all tokens independent", "coercivity"),
]
