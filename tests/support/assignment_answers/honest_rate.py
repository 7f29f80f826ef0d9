"""Answers to the assignment on measuring a rate: plausible mistakes, and unusual right ones.

Each is the solution with some words replaced.
"""

__all__ = ["ALTERNATIVES", "IN_ONE_SUBMISSION", "MISTAKES"]

# A plausible mistake: the answer, the words that are replaced, by what, and the tests that must notice.
MISTAKES = [
    ("the intercept for the factor", "power", "np.exp(intercept)", "intercept", {"power-values"}),
    (
        "decimal logarithms",
        "power",
        "np.polyfit(np.log(x), np.log(y), 1)",
        "np.polyfit(np.log10(x), np.log10(y), 1)",
        {"power-values"},
    ),
    (
        "x against y",
        "power",
        "np.polyfit(np.log(x), np.log(y), 1)",
        "np.polyfit(np.log(y), np.log(x), 1)",
        {"power-values"},
    ),
    (
        "first point to last",
        "power",
        "return slope, np.exp(intercept)",
        "slope = np.log(y[-1] / y[0]) / np.log(x[-1] / x[0])\n    return slope, y[0] / x[0] ** slope",
        {"power-values"},
    ),
    ("no logarithm of y", "power", "np.log(y), 1)", "y, 1)", {"power-values"}),
    (
        "the mean of the logarithms",
        "rate",
        "errors.mean(axis=1)",
        "np.exp(np.log(errors).mean(axis=1))",
        {"rate-values"},
    ),
    ("the median", "rate", "errors.mean(axis=1)", "np.median(errors, axis=1)", {"rate-values"}),
    (
        "the mean of the slopes",
        "rate",
        "power_law(M, errors.mean(axis=1))[0]",
        "np.mean([power_law(M, column)[0] for column in errors.T])",
        {"rate-values"},
    ),
    (
        "draws anew for each size",
        "interval",
        "means = errors[:, draws].mean(axis=2)",
        "means = np.array([row[rng.integers(n, size=(n_resamples, n))].mean(axis=1) for row in errors])",
        {"interval-width"},
    ),
    (
        "the scatter of single replicates",
        "interval",
        "size=(n_resamples, n))",
        "size=(n_resamples, 1))",
        {"interval-few", "interval-width"},
    ),
    (
        "plain quantiles",
        "interval",
        "p = stats.norm.cdf(-np.sqrt(n / (n - 1)) * stats.t.ppf((1 + level) / 2, n - 1))",
        "p = (1 - level) / 2",
        {"interval-few"},
    ),
    (
        "no Student",
        "interval",
        "stats.t.ppf((1 + level) / 2, n - 1)",
        "stats.norm.ppf((1 + level) / 2)",
        {"interval-few"},
    ),
    ("one side for both", "interval", "(1 + level) / 2", "level", {"interval-few", "interval-width"}),
    ("always 95 percent", "interval", "(1 + level) / 2", "0.975", {"interval-few"}),
    (
        "divides by the root of R once more",
        "interval",
        "low, high = np.quantile(slopes, [p, 1 - p])",
        "low, high = slopes.mean() + (np.quantile(slopes, [p, 1 - p]) - slopes.mean()) / np.sqrt(n)",
        {"interval-few", "interval-width"},
    ),
    ("the spread of the data", "fresh", " / np.sqrt(n_points)", "", {"fresh-values"}),
    (
        "the error, not its square",
        "fresh",
        "(fit(U) - phi(U)) ** 2",
        "np.abs(fit(U) - phi(U))",
        {"fresh-values"},
    ),
    (
        "against noisy outputs",
        "fresh",
        "phi(U)) ** 2",
        "phi(U) - 0.3 * rng.standard_normal(n_points)) ** 2",
        {"fresh-values"},
    ),
    (
        "half of the interval",
        "fresh",
        "rng.uniform(-1, 1, n_points)",
        "rng.uniform(0, 1, n_points)",
        {"fresh-values"},
    ),
    (
        "a root of the error",
        "fresh",
        "return squares.mean(),",
        "return np.sqrt(squares.mean()),",
        {"fresh-values"},
    ),
    (
        "one generator for all",
        "experiment",
        "    errors = np.zeros((len(methods), len(sizes), n_replicates))\n",
        "    errors, rng = np.zeros((len(methods), len(sizes), n_replicates)), np.random.default_rng(seed)\n"
        "    for k, size in enumerate(sizes):\n"
        "        for r in range(n_replicates):\n"
        "            U, Y = draw(size, rng)\n"
        "            errors[:, k, r] = [method(U, Y) for method in methods]\n"
        "    return errors\n",
        {"experiment-stable"},
    ),
    ("a seed from the replicate only", "experiment", "[seed, size, r]", "[seed, r]", {"experiment-design"}),
    ("a seed from the size only", "experiment", "[seed, size, r]", "[seed, size]", {"experiment-design"}),
    (
        "a seed from the place of the size",
        "experiment",
        "[seed, size, r]",
        "[seed, k, r]",
        {"experiment-stable"},
    ),
    ("a sum of seeds", "experiment", "[seed, size, r]", "seed + r", {"experiment-design"}),
    (
        "data for each method",
        "experiment",
        "U, Y = draw(size, np.random.default_rng([seed, size, r]))\n"
        "            errors[:, k, r] = [method(U, Y) for method in methods]",
        "errors[:, k, r] = [\n"
        "                method(*draw(size, np.random.default_rng([seed, size, r, i])))\n"
        "                for i, method in enumerate(methods)\n"
        "            ]",
        {"experiment-design", "experiment-stable"},
    ),
    ("ignores the seed", "experiment", "[seed, size, r]", "[size, r]", {"experiment-design"}),
    ("forgets the sign", "local", "return -(terms", "return (terms", {"local-values"}),
    (
        "weights by the coefficients",
        "local",
        "terms = np.asarray(coefficients) * float(M) ** -np.asarray(exponents, dtype=float)",
        "terms = np.asarray(coefficients, dtype=float)",
        {"local-values"},
    ),
    (
        "the mean of the exponents",
        "local",
        "return -(terms @ np.asarray(exponents)) / terms.sum()",
        "return -np.mean(exponents)",
        {"local-values"},
    ),
    (
        "the slope of the largest term",
        "local",
        "return -(terms @ np.asarray(exponents)) / terms.sum()",
        "return -np.asarray(exponents)[np.argmax(terms)]",
        {"local-values"},
    ),
    ("the derivative in M", "local", "return -(terms", "return -1 / M * (terms", {"local-values"}),
    (
        "unpaired",
        "ratio",
        "half = stats.t.ppf((1 + level) / 2, n - 1) * logs.std(ddof=1) / np.sqrt(n)",
        "spread = np.sqrt(np.log(a).var(ddof=1) + np.log(b).var(ddof=1))\n"
        "    half = stats.t.ppf((1 + level) / 2, n - 1) * spread / np.sqrt(n)",
        {"ratio-values"},
    ),
    (
        "the spread of the data",
        "ratio",
        "logs.std(ddof=1) / np.sqrt(n)",
        "logs.std(ddof=1)",
        {"ratio-values"},
    ),
    (
        "a normal quantile",
        "ratio",
        "stats.t.ppf((1 + level) / 2, n - 1)",
        "stats.norm.ppf((1 + level) / 2)",
        {"ratio-values"},
    ),
    ("a standard deviation with R", "ratio", "ddof=1", "ddof=0", {"ratio-values"}),
    ("one side for both", "ratio", "(1 + level) / 2", "level", {"ratio-values"}),
    (
        "the mean of the ratios",
        "ratio",
        "return np.exp(logs.mean()), np",
        "return (a / b).mean(), np",
        {"ratio-values"},
    ),
    (
        "the ratio of the means",
        "ratio",
        "return np.exp(logs.mean()), np",
        "return a.mean() / b.mean(), np",
        {"ratio-values"},
    ),
    ("upside down", "ratio", "np.log(a) - np.log(b)", "np.log(b) - np.log(a)", {"ratio-values"}),
    (
        "forgets that slopes are negative",
        "verdict",
        'if high < -exponent:\n        return "steeper"\n    return "flatter" if low > -exponent else',
        'if high < exponent:\n        return "flatter"\n    return "steeper" if low > exponent else',
        {"verdict-values"},
    ),
    (
        "steeper for flatter",
        "verdict",
        'return "steeper"\n    return "flatter"',
        'return "flatter"\n    return "steeper"',
        {"verdict-values"},
    ),
    ("ends excluded", "verdict", "high < -exponent", "high <= -exponent", {"verdict-values"}),
    (
        "asks for the middle",
        "verdict",
        "if high < -exponent:",
        "if (low + high) / 2 < -exponent:",
        {"verdict-values"},
    ),
]

# A right answer in unusual form.
ALTERNATIVES = [
    (
        "weights by hand",
        "power",
        "slope, intercept = np.polyfit(np.log(x), np.log(y), 1)",
        "u, v = np.log(x), np.log(y)\n"
        "    slope = ((u - u.mean()) * v).sum() / ((u - u.mean()) ** 2).sum()\n"
        "    intercept = v.mean() - slope * u.mean()",
    ),
    (
        "a loop over the draws",
        "interval",
        "slopes = x @ np.log(means) / (x @ x)",
        "slopes = np.array([x @ np.log(mean) / (x @ x) for mean in means.T])",
    ),
    ("a seed of another order", "experiment", "[seed, size, r]", "[r, seed, size]"),
    (
        "SciPy's interval",
        "ratio",
        "logs = np.log(a) - np.log(b)",
        "logs = np.log(a / b)\n"
        "    found = stats.ttest_1samp(logs, 0).confidence_interval(level)\n"
        "    return np.exp(logs.mean()), np.exp(found.low), np.exp(found.high)",
    ),
]

#: The mistakes of the wrong submission.
IN_ONE_SUBMISSION = [
    ("decimal logarithms", "power"),
    ("plain quantiles", "interval"),
    ("a seed from the place of the size", "experiment"),
    ("unpaired", "ratio"),
    ("ends excluded", "verdict"),
]
