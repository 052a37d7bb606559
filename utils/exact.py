"""Whether two exact values are equal: their difference must be zero as a rational function.

Roots and functions such as exp are replaced by variables of their own, a root by one whose square is known. If the
difference is zero then, it is zero; if it is not, it may still be, and nothing is said. So a proof is a proof, and what
is not proved is not called wrong.
"""

from __future__ import annotations

import functools

__all__ = ["LARGEST", "is_zero"]

LARGEST = 20_000  # terms of the expanded difference; what is larger is not worth the wait


def is_zero(difference) -> bool:
    """Whether a sympy expression is zero, as far as rational functions can tell.

    >>> import sympy
    >>> x, y = sympy.symbols("x y", positive=True)
    >>> is_zero(x / sympy.sqrt(x + y**2) - sympy.sqrt(x + y**2) * x / (x + y**2)), is_zero(x + y)
    (True, False)
    """
    import sympy

    if difference == 0:
        return True
    if _terms(difference) > LARGEST:
        return False
    try:
        return _vanishes(difference)
    except (sympy.polys.polyerrors.BasePolynomialError, ValueError, TypeError, NotImplementedError, ZeroDivisionError):
        return False  # what sympy cannot bring into the form of a quotient is not settled


def _terms(expression) -> int:
    """How many terms an expression has when it is multiplied out, at most."""
    if expression.is_Add:
        return min(10 * LARGEST, sum(map(_terms, expression.args)))
    if expression.is_Mul:
        product = 1
        for factor in expression.args:
            product = min(10 * LARGEST, product * _terms(factor))
        return product
    if expression.is_Pow and expression.exp.is_Integer:
        return min(10 * LARGEST, _terms(expression.base) ** min(abs(int(expression.exp)), 20))
    return 1


def _vanishes(difference) -> bool:
    import sympy

    roots: dict = {}

    def root(power):
        base = sympy.cancel(power.base)  # one form, so that equal roots are one variable
        if base not in roots:
            roots[base] = sympy.Dummy(f"root{len(roots)}")
        return roots[base] ** (2 * power.exp)

    def is_root(part):
        return part.is_Pow and part.exp.is_Rational and part.exp.q == 2

    names: dict = {}

    def name(part):
        if part not in names:
            names[part] = sympy.Dummy(f"f{len(names)}")
        return names[part]

    def exponential(part):
        """exp of a sum as a product, so that exp(x − y) and exp(x) / exp(y) are one."""
        product = sympy.Integer(1)
        for term in sympy.Add.make_args(sympy.expand(part.args[0] if isinstance(part, sympy.exp) else sympy.Integer(1))):
            count, rest = term.as_coeff_Mul()
            product *= name(sympy.exp(rest, evaluate=False)) ** count if count.is_Integer else name(part)
        return product

    plain = difference.replace(is_root, root)
    plain = _named(plain, exponential, name)
    numerator = sympy.numer(sympy.together(plain))
    # A root's square is known; its base may hold functions, which are replaced in the same way.
    relations = []
    for base, variable in list(roots.items()):
        base = _named(base, exponential, name)
        above, below = sympy.fraction(sympy.together(base))
        relations.append((variable, variable**2 * below - above))
    symbols = sorted(numerator.free_symbols | {s for _, r in relations for s in r.free_symbols}, key=_order)
    first = [variable for variable, _ in relations]
    symbols = first + [symbol for symbol in symbols if symbol not in first]
    if not symbols:
        return sympy.expand(numerator) == 0
    ring = _ring(tuple(symbols))
    element = ring.from_expr(sympy.expand(numerator))
    return element.rem([ring.from_expr(sympy.expand(relation)) for _, relation in relations]) == 0 if relations else not element


def _named(expression, exponential, name):
    """An expression whose functions are variables."""
    import sympy

    expression = expression.replace(lambda part: isinstance(part, sympy.exp) or part is sympy.E, exponential)
    return expression.replace(lambda part: isinstance(part, sympy.Function), name)


def _order(symbol):
    return (symbol.name, getattr(symbol, "dummy_index", 0))


@functools.lru_cache(64)
def _ring(symbols):
    import sympy

    return sympy.polys.rings.PolyRing(symbols, sympy.QQ, sympy.polys.orderings.lex)
