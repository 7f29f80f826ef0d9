"""Integers as wide as the platform makes them: in a browser, too narrow."""

import ast


def narrow(source):
    """Return the lines that ask for the platform's own integer, which may have 32 bits: 2e9 is its end.

    Indices are ``np.intp``, which cannot be too narrow, and everything that counts is ``np.int64``.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        is_int = False
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            arguments = list(node.args) if name in ("astype", "view") else []
            arguments += [key.value for key in node.keywords if key.arg == "dtype"]
            is_int = any(ast.unparse(a) in ("int", "'int'", "'i'", "'l'", "np.uint") for a in arguments)
            # Sums and quotients of counts are int64, and bincount takes what fits the platform's own.
            is_int |= name == "bincount" and isinstance(node.args[0], ast.BinOp)
        elif isinstance(node, ast.Attribute):
            is_int = node.attr in ("int_", "uint") and ast.unparse(node.value) in ("np", "numpy", "xp")
        if is_int:
            found.append(ast.unparse(node))
    return found
