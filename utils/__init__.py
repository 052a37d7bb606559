"""The package that the chapters import: each idea has a module, and its public names stand here."""

from utils.check import check_gradient, expect_mismatch, gradient_report
from utils.equations import EquationMismatch, check_equation, equation_report
from utils.exercises import check_answer
from utils.layout import commutation_matrix, flatten_jacobian, unflatten_jacobian, unvec, vec
from utils.report import GradientMismatch
from utils.tex import FormulaError

__all__ = [
    "EquationMismatch",
    "FormulaError",
    "GradientMismatch",
    "check_answer",
    "check_equation",
    "check_gradient",
    "commutation_matrix",
    "equation_report",
    "expect_mismatch",
    "flatten_jacobian",
    "gradient_report",
    "unflatten_jacobian",
    "unvec",
    "vec",
]
