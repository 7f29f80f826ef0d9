"""Answers to the assignment on least squares: plausible mistakes, and unusual right ones.

Each is the solution with some words replaced.
"""

__all__ = ["ALTERNATIVES", "IN_ONE_SUBMISSION", "MISTAKES"]

# A plausible mistake: the answer, the words that are replaced, by what, and the tests that must notice.
MISTAKES = [
    ("sums, and forgets to average", "design", ".mean(axis=1)", ".sum(axis=1)", {"design-values"}),
    ("divides by N", "design", ".mean(axis=1)", ".sum(axis=1) / n_tokens", {"design-values"}),
    (
        "the wrong partner's row",
        "design",
        "(X @ A @ X.transpose(0, 2, 1))",
        "(X @ A.T @ X.transpose(0, 2, 1))",
        {"design-values"},
    ),
    (
        "counts j = i",
        "design",
        "partners = ~np.eye(n_tokens, dtype=bool)\n    scores = (X @ A @ X.transpose(0, 2, 1))[:, partners]",
        "scores = (X @ A @ X.transpose(0, 2, 1)).reshape(n_samples, -1)\n"
        "    return space.design(scores.ravel()).reshape(n_samples * n_tokens, n_tokens, -1).mean(axis=1)\n"
        "    scores = scores",
        {"design-values"},
    ),
    ("forgets A", "design", "X @ A @", "X @", {"design-values"}),
    (
        "loops over the samples",
        "design",
        "values = space.design(scores.ravel())",
        "values = np.concatenate([space.design(row) for row in scores])",
        {"design-vectorised"},
    ),
    (
        "lets the package do it",
        "design",
        "n_samples, n_tokens, _ = X.shape",
        "return space.aggregate(X @ A @ X.transpose(0, 2, 1))\n    n_samples, n_tokens, _ = X.shape",
        {"design-values", "design-vectorised"},
    ),
    (
        "a ridge",
        "fit",
        "D = np.diff(np.eye(space.dimension), 2, axis=0)",
        "D = np.eye(space.dimension)",
        {"fit-empty", "fit-values"},
    ),
    (
        "first differences",
        "fit",
        "np.eye(space.dimension), 2,",
        "np.eye(space.dimension), 1,",
        {"fit-empty", "fit-values"},
    ),
    (
        "no penalty",
        "fit",
        'return linalg.solve(F.T @ F + penalty * D.T @ D, F.T @ Y.ravel(), assume_a="pos")',
        "return np.linalg.lstsq(F, Y.ravel(), rcond=None)[0]",
        {"fit-empty", "fit-values"},
    ),
    (
        "a mean of squares",
        "fit",
        "F.T @ F + penalty * D.T @ D",
        "F.T @ F + len(F) * penalty * D.T @ D",
        {"fit-values"},
    ),
    ("the penalty squared", "fit", "penalty * D.T", "penalty**2 * D.T", {"fit-values"}),
    (
        "outputs in the wrong order",
        "fit",
        "F.T @ Y.ravel()",
        "F.T @ Y.T.ravel()",
        {"fit-empty", "fit-values"},
    ),
    ("the token itself", "average", " * ~np.eye(n_tokens, dtype=bool)", "", {"average-values"}),
    ("divides by N", "average", "(n_tokens - 1)", "n_tokens", {"average-values"}),
    ("the transposed scores", "average", "X @ A @ X.", "X @ A.T @ X.", {"average-values"}),
    (
        "the token in place of its partners",
        "average",
        "weights @ X /",
        "weights.sum(axis=-1, keepdims=True) * X /",
        {"average-values"},
    ),
    (
        "no slope",
        "average",
        "slope(X @ A @ X.transpose(0, 2, 1)) *",
        "np.ones((len(X), n_tokens, n_tokens)) *",
        {"average-values"},
    ),
    ("forgets the 2", "gradient", "-2 * np", "-1 * np", {"gradient-values"}),
    ("the wrong sign", "gradient", "-2 * np", "2 * np", {"gradient-values"}),
    ("transposed", "gradient", "->ab", "->ba", {"gradient-values"}),
    ("a mean", "gradient", "-2 * np", "-2 / Y.size * np", {"gradient-values"}),
    (
        "outputs for residuals",
        "gradient",
        "residuals = Y - (design(X, A, space) @ c).reshape(Y.shape)",
        "residuals = Y",
        {"gradient-values"},
    ),
    (
        "keeps the activation still",
        "step",
        "B = J.T @ J - FJ",
        "B = J.T @ J - 0 * FJ",
        {"step-damped", "step-joint"},
    ),
    (
        "projects without the penalty",
        "step",
        'linalg.solve(F.T @ F + penalty * D.T @ D, FJ, assume_a="pos")',
        "np.linalg.lstsq(F.T @ F, FJ, rcond=1e-12)[0]",
        {"step-damped", "step-joint"},
    ),
    (
        "goes uphill",
        "step",
        "right = J.T @ (Y.ravel() - F @ c)",
        "right = J.T @ (F @ c - Y.ravel())",
        {"step-damped", "step-joint"},
    ),
    ("damps all entries alike", "step", "np.diag(np.diag(B))", "np.eye(len(B))", {"step-damped"}),
    (
        "damps by the unprojected diagonal",
        "step",
        "np.diag(np.diag(B))",
        "np.diag(np.diag(J.T @ J))",
        {"step-damped"},
    ),
    ("transposed", "step", ".reshape(A.shape)", ".reshape(A.shape).T", {"step-damped", "step-joint"}),
    (
        "the outputs for the residuals",
        "step",
        "(Y.ravel() - F @ c)",
        "Y.ravel()",
        {"step-damped", "step-joint"},
    ),
    (
        "not normalised",
        "truncate",
        "return nearest / np.linalg.norm(nearest)",
        "return nearest",
        {"truncate-values"},
    ),
    (
        "the spectral norm",
        "truncate",
        "np.linalg.norm(nearest)",
        "np.linalg.norm(nearest, 2)",
        {"truncate-values"},
    ),
    (
        "keeps all of them",
        "truncate",
        "[:, :rank] * values[:rank]) @ right[:rank]",
        " * values) @ right",
        {"truncate-values"},
    ),
    (
        "eigenvalues",
        "truncate",
        "left, values, right = np.linalg.svd(A)",
        "values, left = np.linalg.eigh((A + A.T) / 2)\n"
        "    order = np.argsort(-np.abs(values))\n"
        "    values, left = values[order], left[:, order]\n"
        "    right = left.T",
        {"truncate-values"},
    ),
    (
        "the smallest singular values",
        "truncate",
        "left[:, :rank] * values[:rank]) @ right[:rank]",
        "left[:, -rank:] * values[-rank:]) @ right[-rank:]",
        {"truncate-values"},
    ),
    ("takes every step", "learn", "if risk < risks[-1]:", "if True:", {"learn-values"}),
    (
        "forgets to truncate",
        "learn",
        "trial = truncate(A + gauss_newton_step(X, Y, A, space, penalty, damping), rank)",
        "trial = A + gauss_newton_step(X, Y, A, space, penalty, damping)",
        {"learn-values"},
    ),
    ("reports the start", "learn", "return A, np", "return truncate(start, rank), np", {"learn-values"}),
]

# A right answer in unusual form.
ALTERNATIVES = [
    (
        "rows of the penalty below the others",
        "fit",
        'return linalg.solve(F.T @ F + penalty * D.T @ D, F.T @ Y.ravel(), assume_a="pos")',
        "rows = np.vstack([F, np.sqrt(penalty) * D])\n"
        "    return np.linalg.lstsq(rows, np.r_[Y.ravel(), np.zeros(len(D))], rcond=None)[0]",
    ),
    (
        "a loop over the tokens",
        "gradient",
        'return -2 * np.einsum("mi,mia,mib->ab", residuals, X, Z)',
        "return -2 * sum((residuals[:, i, None] * X[:, i]).T @ Z[:, i] for i in range(X.shape[1]))",
    ),
    (
        "the projection as a matrix",
        "step",
        "right = J.T",
        "P = np.eye(len(F)) - F @ np.linalg.solve(F.T @ F + penalty * D.T @ D, F.T)\n"
        "    B = J.T @ P @ J\n"
        "    right = J.T",
    ),
    ("another damping", "learn", "truncate(start, rank), 0.1", "truncate(start, rank), 1.0"),
]

#: The mistakes of the wrong submission.
IN_ONE_SUBMISSION = [
    ("loops over the samples", "design"),
    ("a mean of squares", "fit"),
    ("forgets the 2", "gradient"),
    ("damps all entries alike", "step"),
    ("the spectral norm", "truncate"),
]
