"""Answers to the assignment on the recovery threshold: plausible mistakes, and unusual right ones.

Each is the solution with some words replaced.
"""

__all__ = ["ALTERNATIVES", "IN_ONE_SUBMISSION", "MISTAKES"]

# A plausible mistake: the answer, the words that are replaced, by what, and the tests that must notice.
MISTAKES = [
    ("forgets the temperature", "indices", "np.log(y) / beta", "np.log(y)", {"indices-values"}),
    ("forgets the logarithm", "indices", "np.log(y) / beta", "y / beta", {"indices-values"}),
    (
        "a constant for each row",
        "indices",
        "return logs + first.transpose(0, 2, 1)",
        "return logs",
        {"indices-values"},
    ),
    (
        "symmetrises",
        "indices",
        "return logs + first.transpose(0, 2, 1)",
        "return (logs + logs.transpose(0, 2, 1)) / 2",
        {"indices-values"},
    ),
    (
        "ties the wrong way",
        "indices",
        "return logs + first.transpose(0, 2, 1)",
        "return logs - first.transpose(0, 2, 1)",
        {"indices-values"},
    ),
    (
        "ties columns",
        "indices",
        "return logs + first.transpose(0, 2, 1)",
        "return logs + first",
        {"indices-values"},
    ),
    (
        "forgets the trace",
        "matrices",
        "(symmetric - np.eye(n_tokens)[:, :, None, None] * np.eye(d))",
        "symmetric",
        {"matrices-values"},
    ),
    (
        "takes the trace from all pairs",
        "matrices",
        "np.eye(n_tokens)[:, :, None, None] * np.eye(d)",
        "np.eye(d)",
        {"matrices-values"},
    ),
    ("divides by d", "matrices", "np.sqrt(d)", "d", {"matrices-values"}),
    (
        "not symmetric",
        "matrices",
        "(outer + outer.transpose(0, 1, 2, 4, 3)) / 2",
        "outer",
        {"matrices-values"},
    ),
    (
        "the norm of half of the entries",
        "recover",
        "return np.linalg.lstsq(rows, right, rcond=1e-10)[0].reshape(d, d)",
        "i, j = np.triu_indices(d)\n"
        "    half = rows.reshape(-1, d, d)[:, i, j] * np.where(i == j, 1, 2)\n"
        "    found = np.zeros((d, d))\n"
        "    found[i, j] = found[j, i] = np.linalg.lstsq(half, right, rcond=1e-10)[0]\n"
        "    return found",
        {"recover-least"},
    ),
    (
        "trusts the unknown constant",
        "recover",
        "(matrices[:, 1:] - matrices[:, :1])",
        "matrices[:, 1:]",
        {"recover-exact", "recover-least"},
    ),
    (
        "one equation fewer",
        "recover",
        "a, b = np.triu_indices(X.shape[1])",
        "a, b = np.triu_indices(X.shape[1])\n    a, b = a[:-1], b[:-1]",
        {"recover-exact", "recover-least"},
    ),
    (
        "only off the diagonal",
        "recover",
        "np.triu_indices(X.shape[1])",
        "np.nonzero(~np.eye(X.shape[1], dtype=bool))",
        {"recover-exact", "recover-least"},
    ),
    (
        "a ridge",
        "recover",
        "return np.linalg.lstsq(rows, right, rcond=1e-10)[0]",
        "return np.linalg.solve(rows.T @ rows + 1e-3 * np.eye(d * d), rows.T @ right)",
        {"recover-exact", "recover-least"},
    ),
    ("counts W", "free", "d * r - r * (r - 1) // 2", "d * r", {"free-values"}),
    ("r + 1 for r - 1", "free", "r * (r - 1) // 2", "r * (r + 1) // 2", {"free-values"}),
    (
        "a matrix that is not symmetric",
        "free",
        "d * r - r * (r - 1) // 2",
        "2 * d * r - r**2",
        {"free-values"},
    ),
    ("full rank for all", "free", "d * r - r * (r - 1) // 2", "d * (d + 1) // 2", {"free-values"}),
    ("a narrow layer for all", "threshold", "width = min(rho, 1.0)", "width = rho", {"threshold-values"}),
    ("forgets the unknown constant", "threshold", "n_tokens - 2)", "n_tokens)", {"threshold-values"}),
    ("twice the threshold", "threshold", "return (2 *", "return 2 * (2 *", {"threshold-values"}),
    ("only full rank", "threshold", "width = min(rho, 1.0)", "width = 1.0", {"threshold-values"}),
    ("counts W", "threshold", "2 * width - width**2", "2 * width", {"threshold-values"}),
    ("the precision for the noise", "next", "V / (alpha * kappa)", "alpha * kappa / V", {"next-values"}),
    ("forgets the error", "next", "V / (alpha * kappa)", "1 / (alpha * kappa)", {"next-values"}),
    ("forgets kappa", "next", "(alpha * kappa)", "alpha", {"next-values"}),
    ("one step", "fixed", "if abs(V - before) < 1e-10:\n            return V", "return V", {"fixed-values"}),
    ("stops early", "fixed", "1e-10", "1e-2", {"fixed-values"}),
    ("starts at the end", "fixed", "V = 1.0", "V = 1e-12", {"fixed-values"}),
    ("forgets the noise level", "curve", "(kappa * noise)", "kappa", {"curve-values"}),
    (
        "upside down",
        "curve",
        "mmse(noise) / (kappa * noise)",
        "kappa * noise / mmse(noise)",
        {"curve-values"},
    ),
    (
        "the noise level as an error",
        "curve",
        "mmse(noise) / (kappa * noise)",
        "1 / (kappa * noise)",
        {"curve-values"},
    ),
    (
        "infinite d",
        "expected",
        "unknowns, equations = d * (d + 1) // 2,",
        "unknowns, equations = d * d / 2,",
        {"expected-values"},
    ),
    (
        "negative beyond the threshold",
        "expected",
        "max(unknowns - equations, 0)",
        "(unknowns - equations)",
        {"expected-values"},
    ),
    ("an equation too many", "expected", "// 2 - 1)", "// 2)", {"expected-values"}),
    ("the square, not over d", "expected", "/ d**2", "/ d", {"expected-values"}),
    (
        "two equations whatever T",
        "expected",
        "(n_tokens * (n_tokens + 1) // 2 - 1)",
        "2",
        {"expected-values"},
    ),
]

# A right answer in unusual form.
ALTERNATIVES = [
    (
        "another row as the reference",
        "indices",
        "first = logs[:, :1, :] - logs[:, :, :1].transpose(0, 2, 1)",
        "first = logs[:, -1:, :] - logs[:, :, -1:].transpose(0, 2, 1)",
    ),
    (
        "a pseudoinverse",
        "recover",
        "np.linalg.lstsq(rows, right, rcond=1e-10)[0]",
        "(np.linalg.pinv(rows, rcond=1e-10) @ right)",
    ),
    ("a sum over the columns", "free", "d * r - r * (r - 1) // 2", "sum(d - k for k in range(r))"),
]

#: The mistakes of the wrong submission.
IN_ONE_SUBMISSION = [
    ("symmetrises", "indices"),
    ("the norm of half of the entries", "recover"),
    ("counts W", "free"),
    ("forgets kappa", "next"),
    ("infinite d", "expected"),
]
