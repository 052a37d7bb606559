"""The package that the chapters import: each idea has a module, and its public names stand here."""

from __future__ import annotations

from importlib import import_module

# Where each name comes from. It is imported when it is asked for: the build of the book reads pages with this package,
# and would wait for torch, which only the chapters' own processes need.
_HOMES = {
    "EquationMismatch": "utils.equations",
    "FormulaError": "utils.tex",
    "GradientMismatch": "utils.report",
    "check_answer": "utils.exercises",
    "check_equation": "utils.equations",
    "check_gradient": "utils.check",
    "commutation_matrix": "utils.layout",
    "equation_report": "utils.equations",
    "expect_mismatch": "utils.check",
    "flatten_jacobian": "utils.layout",
    "gradient_report": "utils.check",
    "unflatten_jacobian": "utils.layout",
    "unvec": "utils.layout",
    "vec": "utils.layout",
}
__all__ = [*_HOMES, "explore"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
