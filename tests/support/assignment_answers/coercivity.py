"""Answers to the assignment on coercivity: plausible mistakes, and unusual right ones.

Each is the solution with some words replaced.
"""

__all__ = ["ALTERNATIVES", "IN_ONE_SUBMISSION", "MISTAKES"]

# A plausible mistake: the answer, the words that are replaced, by what, and the tests that must notice.
MISTAKES = [
    (
        "counts N - 1 different partners",
        "moments",
        "(n_tokens - 2) * cross",
        "(n_tokens - 1) * cross",
        {"moments-values"},
    ),
    ("divides by N", "moments", "/ (n_tokens - 1), pairwise", "/ n_tokens, pairwise", {"moments-values"}),
    ("forgets the cross term", "moments", "(n_tokens - 2) * cross", "0 * cross", {"moments-values"}),
    ("averages over the wrong token", "moments", "mean = H @ p", "mean = p @ H", {"moments-values"}),
    (
        "forgets the law of the token itself",
        "moments",
        "cross = p @ mean**2",
        "cross = np.mean(mean**2)",
        {"moments-values"},
    ),
    (
        "takes partners to be uncorrelated on the whole",
        "moments",
        "cross = p @ mean**2",
        "cross = (p @ mean) ** 2",
        {"moments-values"},
    ),
    (
        "forgets the square",
        "moments",
        "pairwise = p @ H**2 @ p",
        "pairwise = p @ np.abs(H) @ p",
        {"moments-values"},
    ),
    (
        "independent tokens of the mean law",
        "mixture",
        "given = np.array([second_moments(H, law, n_tokens) for law in laws])\n"
        "    aggregated, pairwise = weights @ given",
        "aggregated, pairwise = second_moments(H, weights @ laws, n_tokens)",
        {"mixture-values"},
    ),
    ("causes of equal weight", "mixture", "weights @ given", "given.mean(axis=0)", {"mixture-values"}),
    (
        "an eigenvalue of one matrix",
        "constant",
        "linalg.eigh(gram, gamma, eigvals_only=True)[0]",
        "linalg.eigvalsh(gram)[0]",
        {"constant-sharp", "constant-values"},
    ),
    ("the largest one", "constant", "eigvals_only=True)[0]", "eigvals_only=True)[-1]", {"constant-values"}),
    (
        "the ratio upside down",
        "constant",
        "linalg.eigh(gram, gamma, eigvals_only=True)[0]",
        "linalg.eigh(gamma, gram, eigvals_only=True)[0]",
        {"constant-sharp", "constant-values"},
    ),
    (
        "takes the theorem for the answer",
        "constant",
        "return linalg",
        "return 1 / (n_tokens - 1)\n    return linalg",
        {"constant-sharp", "constant-values"},
    ),
    (
        "averages over the first token",
        "constant",
        "means = tables @ p",
        "means = np.swapaxes(tables, 1, 2) @ p",
        {"constant-values"},
    ),
    (
        "the best table by itself",
        "constant",
        "return linalg.eigh(gram, gamma, eigvals_only=True)[0]",
        "return (np.diag(gram) / np.diag(gamma)).min()",
        {"constant-values"},
    ),
    (
        "a value for each pair",
        "invisible",
        "np.round(scores, 9)",
        "np.arange(len(scores))",
        {"invisible-coincidence"},
    ),
    (
        "columns for rows",
        "invisible",
        "np.nonzero(partners)[0]",
        "np.nonzero(partners)[1]",
        {"invisible-values"},
    ),
    (
        "the score with the diagonal",
        "invisible",
        "partners = ~np.eye(n, dtype=bool)\n",
        "partners = np.ones((n, n), dtype=bool)\n",
        {"invisible-coincidence", "invisible-values"},
    ),
    (
        "not normalised",
        "invisible",
        "return psi / np.sqrt(np.mean(psi[partners] ** 2))",
        "return psi",
        {"invisible-coincidence", "invisible-values"},
    ),
    (
        "a mean over n^2",
        "invisible",
        "np.mean(psi[partners] ** 2)",
        "np.mean(psi**2)",
        {"invisible-coincidence", "invisible-values"},
    ),
    ("the pair (i, i) too", "drawn", "off = H * ~np.eye(n, dtype=bool)", "off = H", {"drawn-values"}),
    ("draws with replacement", "drawn", "/ (n * (n - 1) * (n - 2))", "/ n**3", {"drawn-values"}),
    ("one partner twice", "drawn", "- squares)", "- 0 * squares)", {"drawn-values"}),
    ("sums over the wrong token", "drawn", "off.sum(axis=1)", "off.sum(axis=0)", {"drawn-values"}),
    (
        "the constant of independent tokens",
        "best",
        "(n_points - n_tokens) / ((n_tokens - 1) * (n_points - 2))",
        "1 / (n_tokens - 1)",
        {"best-values"},
    ),
    ("n - 1 for n - 2", "best", "(n_points - 2)", "(n_points - 1)", {"best-values"}),
]

# A right answer in unusual form.
ALTERNATIVES = [
    (
        "a loop over the table",
        "moments",
        "pairwise = p @ H**2 @ p",
        "n = len(p)\n    pairwise = sum(p[a] * p[b] * H[a, b] ** 2 for a in range(n) for b in range(n))",
    ),
    (
        "a Cholesky factor",
        "constant",
        "return linalg.eigh(gram, gamma, eigvals_only=True)[0]",
        "root = np.linalg.inv(np.linalg.cholesky(gamma))\n"
        "    return np.linalg.eigvalsh(root @ gram @ root.T)[0]",
    ),
    ("the last vector of the null space", "invisible", "[:, 0]", "[:, -1]"),
]

#: The mistakes of the wrong submission.
IN_ONE_SUBMISSION = [
    ("averages over the wrong token", "moments"),
    ("an eigenvalue of one matrix", "constant"),
    ("a value for each pair", "invisible"),
    ("draws with replacement", "drawn"),
    ("n - 1 for n - 2", "best"),
]
