"""Answers to the assignment on lower bounds: plausible mistakes, and unusual right ones.

Each is the solution with some words replaced.
"""

__all__ = ["ALTERNATIVES", "IN_ONE_SUBMISSION", "MISTAKES"]

# A plausible mistake: the answer, the words that are replaced, by what, and the tests that must notice.
MISTAKES = [
    ("forgets the 2", "divergence", "/ (2 * sigma**2)", "/ sigma**2", {"divergence-values"}),
    ("sigma for its square", "divergence", "2 * sigma**2", "2 * sigma", {"divergence-values"}),
    ("a mean over the outputs", "divergence", ".sum() /", ".mean() /", {"divergence-values"}),
    ("a mean over the samples", "divergence", ".sum() /", ".sum(axis=1).mean() /", {"divergence-values"}),
    (
        "the square of the sum",
        "divergence",
        "(averages(X, A, psi) ** 2).sum()",
        "averages(X, A, psi).sum() ** 2",
        {"divergence-values"},
    ),
    (
        "no square",
        "divergence",
        "(averages(X, A, psi) ** 2)",
        "np.abs(averages(X, A, psi))",
        {"divergence-values"},
    ),
    ("the other one", "guess", "misfit[1] < misfit[0]", "misfit[1] > misfit[0]", {"guess-values"}),
    (
        "the larger overlap",
        "guess",
        "misfit = [((Y - averages(X, A, phi)) ** 2).sum() for phi in (phi0, phi1)]",
        "misfit = [-(Y * averages(X, A, phi)).sum() for phi in (phi0, phi1)]",
        {"guess-values"},
    ),
    (
        "compares means",
        "guess",
        "((Y - averages(X, A, phi)) ** 2).sum()",
        "abs((Y - averages(X, A, phi)).sum())",
        {"guess-values"},
    ),
    (
        "takes the first truth for zero",
        "guess",
        "for phi in (phi0, phi1)",
        "for phi in (lambda u: 0 * u, lambda u: phi1(u) - phi0(u))",
        {"guess-values"},
    ),
    (
        "forgets the half",
        "bounds",
        "-np.sqrt(np.asarray(kl) / 2)",
        "-np.sqrt(np.asarray(kl))",
        {"bounds-gaussian"},
    ),
    (
        "forgets the root",
        "bounds",
        "-np.sqrt(np.asarray(kl) / 2)",
        "-np.asarray(kl) / 2",
        {"bounds-gaussian"},
    ),
    (
        "the right guesses",
        "bounds",
        "-np.sqrt(np.asarray(kl) / 2)",
        "np.sqrt(np.asarray(kl) / 2)",
        {"bounds-gaussian"},
    ),
    ("the distance for the error", "bounds", "np.exp(-kl) / 2) / 2", "np.exp(-kl) / 2)", {"bounds-general"}),
    (
        "only Pinsker",
        "bounds",
        "np.maximum(1 - np.sqrt(kl / 2), np.exp(-kl) / 2)",
        "np.maximum(1 - np.sqrt(kl / 2), 0)",
        {"bounds-general"},
    ),
    ("the smaller of the two", "bounds", "np.maximum(1", "np.minimum(1", {"bounds-general"}),
    ("forgets the half in front", "two", "energy / 2 *", "energy *", {"two-values"}),
    ("forgets the tokens", "two", "n_samples * n_tokens *", "n_samples *", {"two-values"}),
    ("sigma for its square", "two", "sigma**2", "sigma", {"two-values"}),
    ("a divergence without the 2", "two", "(2 * sigma**2)", "sigma**2", {"two-values"}),
    ("height h^beta", "height", "(h / 4) ** beta", "h**beta", {"height-values"}),
    ("the Lipschitz height for all", "height", "(h / 4) ** beta", "h / 4", {"height-values"}),
    ("beta for the half-width", "height", "(h / 4) ** beta", "(h / 2) ** beta", {"height-values"}),
    ("forgets L", "height", "L * (h", "(h", {"height-values"}),
    ("forgets the width", "energy", "** 2 * h * 8 / 15", "** 2 * 8 / 15", {"energy-values"}),
    ("the integral of b", "energy", "8 / 15", "2 / 3", {"energy-values"}),
    ("forgets the density", "energy", "density * bump", "bump", {"energy-values"}),
    (
        "the height, not its square",
        "energy",
        "bump_height(h, beta, L) ** 2",
        "bump_height(h, beta, L)",
        {"energy-values"},
    ),
    ("one game only", "assouad", "return K * two", "return two", {"assouad-values"}),
    ("the width of the interval", "assouad", "length / K", "length", {"assouad-values"}),
    (
        "all bits at once",
        "assouad",
        "two_point_bound(energy,",
        "two_point_bound(K * energy,",
        {"assouad-values"},
    ),
    (
        "the place for the number",
        "best",
        "return K[np.argmax(bounds)],",
        "return np.argmax(bounds),",
        {"best-values"},
    ),
    ("stops at a hundred", "best", "20_001", "101", {"best-values"}),
    (
        "the rule without constants",
        "best",
        "return K[np.argmax(bounds)], bounds.max()",
        "number = max(round(n_samples ** (1 / (2 * beta + 1))), 1)\n"
        "    return number, assouad_bound(number, n_samples, n_tokens, sigma, beta, L, length, density)",
        {"best-values"},
    ),
    ("more than the distance", "code", ">= distance]", "> distance]", {"code-distance", "code-maximal"}),
    ("less than the distance", "code", ">= distance]", ">= max(distance - 1, 1)]", {"code-distance"}),
    (
        "distance from the last word only",
        "code",
        "    words = []\n"
        "    while len(left):\n"
        "        words.append(left[0])\n"
        "        left = left[(left != left[0]).sum(axis=1) >= distance]\n"
        "    return np.array(words)",
        "    words = [left[0]]\n"
        "    for word in left:\n"
        "        if (word != words[-1]).sum() >= distance:\n"
        "            words.append(word)\n"
        "    return np.array(words)",
        {"code-distance"},
    ),
    (
        "stops when there are enough",
        "code",
        "while len(left):",
        "while len(left) and len(words) < 2 ** (n_bits / 8):",
        {"code-distance", "code-maximal"},
    ),
    ("binary logarithms", "fano", "np.log(n_words)", "np.log2(n_words)", {"fano-values"}),
    ("forgets log 2", "fano", "(kl + np.log(2))", "kl", {"fano-values"}),
    ("half of the distance", "fano", "separation / 4", "separation / 2", {"fano-values"}),
    (
        "negative",
        "fano",
        "max(1 - (kl + np.log(2)) / np.log(n_words), 0.0)",
        "(1 - (kl + np.log(2)) / np.log(n_words))",
        {"fano-values"},
    ),
]

# A right answer in unusual form.
ALTERNATIVES = [
    ("likelihoods", "guess", "return int(misfit[1] < misfit[0])", "return int(np.argmin(misfit))"),
    (
        "SciPy's normal law",
        "bounds",
        "special.ndtr(-np.sqrt(np.asarray(kl) / 2))",
        "stats.norm.sf(np.sqrt(np.asarray(kl) / 2))",
    ),
    (
        "a loop over the numbers of bumps",
        "best",
        "return K[np.argmax(bounds)], bounds.max()",
        "best = max(range(len(K)), key=lambda k: bounds[k])\n    return int(K[best]), float(bounds[best])",
    ),
    (
        "words from the end",
        "code",
        "words.append(left[0])\n        left = left[(left != left[0])",
        "words.append(left[-1])\n        left = left[(left != left[-1])",
    ),
]

#: The mistakes of the wrong submission.
IN_ONE_SUBMISSION = [
    ("forgets the 2", "divergence"),
    ("only Pinsker", "bounds"),
    ("height h^beta", "height"),
    ("all bits at once", "assouad"),
    ("forgets log 2", "fano"),
]
