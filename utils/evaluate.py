r"""The value of an expression: in numbers with torch, or exactly with sympy, by the same steps.

Every value is an array whose first axes belong to the index variables of the equation, one axis each (of length 1 where
the value does not depend on the variable), and whose last two are rows and columns. So an equation with free indices is
evaluated at all of them at once, and a sum is a sum over one axis.

A derivative is taken of a function of its own: the quantity is evaluated again with the symbol it is differentiated by
as the variable, and with everything that depends on this symbol. With torch, autograd differentiates it, and difference
quotients audit autograd; with sympy, the exact derivative.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from utils.differences import slope_along
from utils.expression import FIRST, Definition, Equation, Index, Node
from utils.formula import python_name
from utils.symbols import Symbol
from utils.tex import FormulaError

__all__ = ["Evaluation", "Exact", "Numbers", "Unprovable", "World", "glyphs"]

Array = Tensor | np.ndarray


class Unprovable(Exception):
    """Why an expression has no exact value: a half sentence."""


class Contradiction(Exception):
    """Autograd and difference quotients differ."""


class Numbers:
    """Values as torch tensors in float64."""

    def __init__(self, audit: bool = False):
        self.audit = audit

    def array(self, value: np.ndarray | Tensor | float) -> Tensor:
        return torch.as_tensor(value, dtype=torch.float64)

    def index(self, value: np.ndarray) -> Tensor:
        return torch.as_tensor(value)

    def zeros(self, shape: Sequence[int]) -> Tensor:
        return torch.zeros(tuple(shape), dtype=torch.float64)

    def stack(self, values: Sequence[Tensor], axis: int) -> Tensor:
        return torch.cat(values, dim=axis)

    def function(self, name: str, value: Tensor) -> Tensor:
        return getattr(torch, name)(value)

    def relu(self, value: Tensor) -> Tensor:
        return torch.relu(value)

    def compare(self, left: Tensor, relation: str, right: Tensor) -> Tensor:
        result = {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}[relation]
        return result.to(torch.float64)

    def met(self, value: Tensor) -> None:
        if not value.isfinite().all():
            raise ArithmeticError("a value that is not finite")

    def jacobian(self, f: Callable[[Array], Array], at: Tensor) -> Tensor:
        """Autograd's derivative of f: the axes of f(at), then those of ``at``."""
        variable = at.detach().clone().requires_grad_()
        with torch.enable_grad():
            value = f(variable)
        rows = [torch.autograd.grad(entry, variable, retain_graph=True, allow_unused=True, materialize_grads=True)[0]
                for entry in value.reshape(-1)] if value.requires_grad else [torch.zeros_like(at)] * value.numel()
        jacobian = torch.stack(rows).reshape(*value.shape, *at.shape)
        if self.audit:
            self._audit(f, variable.detach(), jacobian)
        return jacobian

    def _audit(self, f: Callable[[Array], Array], at: Tensor, jacobian: Tensor) -> None:
        generator = torch.Generator().manual_seed(1)
        direction = torch.randn(at.shape, generator=generator, dtype=torch.float64)
        expected = (jacobian * direction).flatten(-at.ndim).sum(-1)
        slope = slope_along(lambda x: f(x).detach(), at, direction, expected)
        if slope is None or not slope.agrees(expected).all():
            raise Contradiction


class Exact:
    """Values as arrays of sympy expressions."""

    def __init__(self):
        import sympy
        self.sympy = sympy
        self.function_of = {name: getattr(sympy, name) for name in ("exp", "log", "sin", "cos", "tanh", "sqrt")}

    def array(self, value: np.ndarray | Tensor | float) -> np.ndarray:
        if isinstance(value, Tensor):
            value = value.detach().numpy()
        value = np.asarray(value, dtype=object)
        # A float stands for the decimal number that was written.
        return np.vectorize(lambda entry: self.sympy.Rational(repr(entry)) if isinstance(entry, float) else
                            self.sympy.sympify(entry), otypes=[object])(value)

    def index(self, value: np.ndarray) -> np.ndarray:
        return value

    def zeros(self, shape: Sequence[int]) -> np.ndarray:
        return np.full(tuple(shape), self.sympy.Integer(0), dtype=object)

    def stack(self, values: Sequence[np.ndarray], axis: int) -> np.ndarray:
        return np.concatenate(values, axis=axis)

    def function(self, name: str, value: np.ndarray) -> np.ndarray:
        return np.vectorize(self.function_of[name], otypes=[object])(value)

    def relu(self, value: np.ndarray) -> np.ndarray:
        step = _step()
        return np.vectorize(lambda entry: entry * step(entry), otypes=[object])(value)

    def compare(self, left: np.ndarray, relation: str, right: np.ndarray) -> np.ndarray:
        if relation != ">":
            raise Unprovable("of the relations only > is exact")
        return np.vectorize(_step(), otypes=[object])(left - right)

    def met(self, value: np.ndarray) -> None:
        pass

    def jacobian(self, f: Callable[[Array], Array], at: np.ndarray) -> np.ndarray:
        """The exact derivative of f: it is taken by new variables, whose place ``at`` takes afterwards."""
        variables = np.vectorize(lambda entry: self.sympy.Dummy(), otypes=[object])(at)
        back = dict(zip(variables.flat, at.flat))
        value = f(variables)
        jacobian = np.empty((*value.shape, *at.shape), dtype=object)
        for place, entry in np.ndenumerate(value):
            entry = self.sympy.sympify(entry)
            for axis, variable in np.ndenumerate(variables):
                jacobian[place + axis] = self.sympy.diff(entry, variable).xreplace(back)
        return jacobian


@functools.cache
def _step():
    """The step function as a sign that sympy can carry: 1 above 0, slope 0 away from 0."""
    import sympy

    class Step(sympy.Function):
        nargs = 1

        def fdiff(self, argindex=1):
            return sympy.Integer(0)

        @classmethod
        def eval(cls, argument):
            if argument.is_Number:
                return sympy.Integer(int(bool(argument > 0)))
            # x step(x) is above 0 where x is.
            return next((factor for factor in argument.args if argument.is_Mul and isinstance(factor, cls)
                         and argument / factor == factor.args[0]), None)

        def _eval_power(self, exponent):
            return self if exponent.is_positive else None

    return Step


class World:
    """What the symbols are in one draw: free values, definitions, and values that are held in the place of others."""

    def __init__(self, backend: Numbers | Exact, sizes: Mapping[str, int], symbols: Mapping[str, Symbol],
                 free: Mapping[str, Array], functions: Mapping[str, Callable[..., Array]],
                 definitions: Mapping[str, Definition], first: int = 1, held: Mapping[str, Array] = {}):
        self.backend, self.sizes, self.symbols, self.free = backend, sizes, symbols, free
        self.functions, self.definitions, self.first, self.held = functions, definitions, first, dict(held)
        self.cache: dict[str, Array] = {}
        self.directions: dict[str, Array] = {}

    def holding(self, glyph: str, value: Array) -> World:
        """The same world with a symbol set to a value; what depends on it follows."""
        world = World(self.backend, self.sizes, self.symbols, self.free, self.functions, self.definitions, self.first,
                      {**self.held, glyph: value})
        world.directions = self.directions
        return world

    def value(self, glyph: str) -> Array:
        """The value of a symbol, without axes for indices."""
        if glyph in self.held:
            return self.held[glyph]
        if glyph not in self.cache:
            if glyph in self.definitions:
                self.cache[glyph] = self.value_of(self.definitions[glyph])
            elif glyph in self.functions:
                self.cache[glyph] = self.functions[glyph](self)
            else:
                return self.free[glyph]
        return self.cache[glyph]

    def value_of(self, definition: Definition) -> Array:
        """The value of what a definition defines."""
        evaluation = Evaluation(self, definition.equation)
        value = evaluation(definition.node)
        return evaluation.arranged(value, definition)

    def depends(self, glyph: str, on: str) -> bool:
        """Whether a symbol's value follows from another's."""
        if glyph == on:
            return True
        if glyph in self.definitions:
            return any(self.depends(used, on) for used in glyphs(self.definitions[glyph].node))
        if glyph in self.functions:
            return any(self.depends(used, on) for used in self.functions[glyph].uses)
        return False

    def derives(self, glyph: str, by: str) -> bool:
        """Whether a symbol's value, as far as it follows from another's, holds a derivative."""
        if glyph == by or glyph in self.held or not self.depends(glyph, by):
            return False
        if glyph in self.definitions:
            node = self.definitions[glyph].node
            return any(part.op in DERIVATIVES for part in node.walk()) or any(self.derives(used, by) for used in glyphs(node))
        return any(self.derives(used, by) for used in self.functions[glyph].uses) if glyph in self.functions else False


DERIVATIVES = ("derivative", "gradient", "differential")


def glyphs(node: Node) -> set[str]:
    """The symbols that an expression uses."""
    used = set()
    for part in node.walk():
        if part.op in ("symbol", "differential"):
            used.add(part.data)
        elif part.op == "gradient":
            used |= {"L", part.data}
    return used


class Evaluation:
    """The values of an equation's expressions in one world. Each operation is a method with its name."""

    def __init__(self, world: World, equation: Equation):
        self.world, self.backend, self.equation = world, world.backend, equation
        self.axes = {name: axis for axis, name in enumerate(equation.indices)}
        self.ranges = [size.value(world.sizes) for size in equation.indices.values()]
        self.lead = (1,) * len(self.ranges)

    def __call__(self, node: Node) -> Array:
        value = getattr(self, f"do_{node.op}")(node)
        try:
            self.backend.met(value)
        except ArithmeticError as error:
            raise self._error(f"This is {error} for the values of the draw, such as 1/0 or a root of a negative number.",
                              node) from None
        return value

    def _moving(self) -> list[str]:
        """The free symbols that a differential moves: those whose own is written, and what a written one follows from.

        In dα = vᵀ dy the nudge is on the right, so what is on the left alone is moved only where nothing else is written.
        """
        def written(sides):
            return {node.data for side in sides for node in side.walk() if node.op == "differential"}

        chains = self.equation.chains
        given = written(side for chain in chains for side in chain.sides[1:]) or written(chain.sides[0] for chain in chains)
        moving = {glyph for glyph in given if not self._follows(glyph)}
        unmoved = [glyph for glyph in given - moving if not any(self.world.depends(glyph, source) for source in moving)]
        moving |= {source for source in self.world.free if any(self.world.depends(glyph, source) for glyph in unmoved)}
        return sorted(moving)

    def _follows(self, glyph: str) -> bool:
        return glyph in self.world.definitions or glyph in self.world.functions

    def _led(self, value: Array) -> Array:
        """A value with an axis of length 1 for each index variable in front."""
        return value.reshape(self.lead + tuple(value.shape))

    def arranged(self, value: Array, definition: Definition) -> Array:
        """The value of a definition: its entries in their places."""
        variables = definition.variables
        size = len(self.lead)
        shape = [self.ranges[self.axes[name]] for name in variables]
        order = [self.axes[name] for name in variables]
        full = value + self.backend.zeros([*(self.ranges[a] if a in order else 1 for a in range(size)), 1, 1])
        others = [axis for axis in range(size) if axis not in order]
        full = _permute(full, [*others, *order, size, size + 1]).reshape(*shape, *full.shape[-2:])
        if definition.transposed:
            return full.swapaxes(-1, -2)
        if not variables:
            return full
        sizes = [entry.value(self.world.sizes) for entry in definition.shape]
        return full.reshape(sizes)

    # --- leaves ---

    def do_number(self, node: Node) -> Array:
        number = Fraction(node.data)
        value = self.backend.array(np.full((1, 1), 0))
        if isinstance(self.backend, Exact):
            value = value + self.backend.sympy.Rational(number.numerator, number.denominator)
        else:
            value = value + float(number)
        return self._led(value)

    def do_size(self, node: Node) -> Array:
        return self._led(self.backend.array(np.full((1, 1), node.data.value(self.world.sizes))))

    def do_symbol(self, node: Node) -> Array:
        return self._led(self.world.value(node.data))

    def do_identity(self, node: Node) -> Array:
        return self._led(self.backend.array(np.eye(node.shape[0].value(self.world.sizes), dtype=int)))

    def do_ones(self, node: Node) -> Array:
        return self._led(self.backend.array(np.ones((node.shape[0].value(self.world.sizes), 1), dtype=int)))

    def do_zeros(self, node: Node) -> Array:
        shape = [size.value(self.world.sizes) for size in node.shape] or [1, 1]
        return self._led(self.backend.zeros(shape))

    def do_unit(self, node: Node) -> Array:
        size = node.shape[0].value(self.world.sizes)
        rows = np.arange(size).reshape(*self.lead, size, 1)
        return self.backend.array((self._positions(node.data, size, node) == rows).astype(int))

    def do_delta(self, node: Node) -> Array:
        first, second = (self._positions(index, None, node) for index in node.data)
        return self.backend.array((first == second).astype(int))

    def do_matrix(self, node: Node) -> Array:
        cells = [self(argument) for argument in node.args]
        shape = np.broadcast_shapes(*(tuple(cell.shape) for cell in cells))
        cells = [cell + self.backend.zeros(shape) for cell in cells]
        width = len(cells) // node.data
        rows = [self.backend.stack(cells[k:k + width], -1) for k in range(0, len(cells), width)]
        return self.backend.stack(rows, -2)

    # --- arithmetic ---

    def do_add(self, node: Node) -> Array:
        return self(node.args[0]) + self(node.args[1])

    def do_negative(self, node: Node) -> Array:
        return -self(node.args[0])

    def do_scale(self, node: Node) -> Array:
        return self(node.args[0]) * self(node.args[1])

    def do_divide(self, node: Node) -> Array:
        return self(node.args[0]) / self(node.args[1])

    def do_matmul(self, node: Node) -> Array:
        return self(node.args[0]) @ self(node.args[1])

    def do_kronecker(self, node: Node) -> Array:
        left, right = (self(argument) for argument in node.args)
        product = left[..., :, None, :, None] * right[..., None, :, None, :]
        rows, columns = left.shape[-2] * right.shape[-2], left.shape[-1] * right.shape[-1]
        return product.reshape(*product.shape[:-4], rows, columns)

    def do_transpose(self, node: Node) -> Array:
        return self(node.args[0]).swapaxes(-1, -2)

    def do_power(self, node: Node) -> Array:
        exponent = node.args[1]
        sign = 1
        while exponent.op == "negative":
            sign, exponent = -sign, exponent.args[0]
        number = float(exponent.data) if "." in exponent.data else int(exponent.data)
        return self(node.args[0]) ** (sign * number)

    def do_elementwise(self, node: Node) -> Array:
        return self.backend.function(node.data, self(node.args[0]))

    def do_relu(self, node: Node) -> Array:
        return self.backend.relu(self(node.args[0]))

    def do_indicator(self, node: Node) -> Array:
        return self.backend.compare(self(node.args[0]), node.data, self(node.args[1]))

    def do_sum(self, node: Node) -> Array:
        axis = self.axes[node.data[0]]
        value = self(node.args[0])
        if self.world.first != 1:
            raise self._error("A sum is read where indices count from 1 only.", node)
        begin = node.data[1] - 1
        if begin < 0:
            raise self._error(f"The sum begins at {node.data[1]}, and indices count from 1.", node)
        if begin >= value.shape[axis]:
            raise self._error("This sum is empty.", node)
        if begin:
            value = value[tuple(slice(begin, None) if a == axis else slice(None) for a in range(value.ndim))]
        return value.sum(axis, keepdims=True)

    # --- matrices ---

    def do_diagonal(self, node: Node) -> Array:
        column = self(node.args[0])
        return column * self.backend.array(np.eye(column.shape[-2], dtype=int))

    def do_trace(self, node: Node) -> Array:
        value = self(node.args[0])
        return (value * self.backend.array(np.eye(value.shape[-1], dtype=int))).sum(-1, keepdims=True).sum(-2, keepdims=True)

    def do_norm(self, node: Node) -> Array:
        value = self(node.args[0])
        return self.backend.function("sqrt", (value * value).sum(-1, keepdims=True).sum(-2, keepdims=True))

    def do_vec(self, node: Node) -> Array:
        value = self(node.args[0])
        if node.data == "c":
            value = value.swapaxes(-1, -2)
        return value.reshape(*value.shape[:-2], -1, 1)

    def do_select(self, node: Node) -> Array:
        indices = node.data
        value = self(node.args[0])
        lead, ends = len(self.lead), value.shape[len(self.lead):]
        kept = [axis for axis, index in enumerate(indices) if index.terms is None]
        outer = {axis: lead + place for place, axis in enumerate(kept)}
        if len(kept) == 1 and len(indices) == 2 and kept[0] == 1:
            outer = {1: lead + 1}
        places = [self._along(axis, value.shape[axis]) for axis in range(lead)]
        for axis, (index, length) in enumerate(zip(indices, ends)):
            places.append(self._along(outer[axis], length) if axis in outer else self._positions(index, length, node))
        return value[tuple(self.backend.index(place) for place in places)]

    def _along(self, axis: int, length: int) -> np.ndarray:
        """The numbers 0 … length − 1 along one axis of the result."""
        shape = [1] * (len(self.lead) + 2)
        shape[axis] = length
        return np.arange(length).reshape(shape)

    def _positions(self, index: Index, length: int | None, node: Node) -> np.ndarray:
        """Where an index points, counted from 0, along the axes of its variables."""
        total = np.zeros((1,) * (len(self.lead) + 2), dtype=int)
        if index == FIRST:
            return total
        for number, letters, variable in index.terms:
            factor = number
            for letter in letters:
                factor *= self.world.sizes[letter]
            if variable is None:
                total = total + factor
            else:
                axis = self.axes[variable]
                total = total + factor * (self._along(axis, self.ranges[axis]) + self.world.first)
        total = total - self.world.first
        if length is not None and ((total < 0) | (total >= length)).any():
            raise self._error(f"An index points outside of its axis, which has {length} places here, counted from "
                              f"{self.world.first}.", node)
        return total

    # --- derivatives ---

    def do_derivative(self, node: Node) -> Array:
        glyph, _, mode, indices = node.data
        jacobian = self._jacobian(node.args[0], glyph, node)
        lead = len(self.lead)
        if mode == "entry":
            ends = jacobian.shape[lead + 2:]
            places = [self._along(axis, jacobian.shape[axis]) for axis in range(lead + 2)]
            places += [self._positions(index, length, node) for index, length in zip(indices, ends)]
            return jacobian[tuple(self.backend.index(place) for place in places)]
        if mode in ("r", "c"):
            if mode == "c":
                jacobian = jacobian.swapaxes(-1, -2)
            return jacobian[..., :, 0, :, :].reshape(*jacobian.shape[:lead + 1], -1)
        if not node.data[1]:
            return jacobian[..., 0, 0]
        if node.data[1][1].letters == "" and node.data[1][1].number == 1:
            return jacobian[..., :, 0, :, 0]
        if not node.args[0].shape:
            return jacobian[..., 0, 0, :, :]
        return jacobian[..., :, 0, :, :]

    def do_gradient(self, node: Node) -> Array:
        loss = Node("symbol", (), (), node.span, "L")
        lead = len(self.lead)
        jacobian = self._jacobian(loss, node.data, node)
        return jacobian.reshape(*self.lead, *jacobian.shape[lead + 2:])

    def do_differential(self, node: Node) -> Array:
        if not self._follows(node.data):
            return self._led(self.world.directions[node.data])
        total = self._led(self.backend.zeros(self.world.value(node.data).shape))
        quantity = Node("symbol", (), node.shape, node.span, node.data)
        for glyph in self._moving():
            if self.world.depends(node.data, glyph):
                jacobian = self._jacobian(quantity, glyph, node)
                direction = self.world.directions[glyph]
                ends = tuple(range(-direction.ndim, 0))
                total = total + (jacobian * direction).sum(ends)
        return total

    def _jacobian(self, quantity: Node, glyph: str, node: Node) -> Array:
        if not any(self.world.depends(used, glyph) for used in glyphs(quantity)):
            raise self._error(f"What is differentiated here does not depend on {python_name(glyph)}: name the equation that says "
                              "how in given, or declare it as a function of it.", node)
        if any(self.world.derives(used, glyph) for used in glyphs(quantity)):
            raise self._error("A derivative of what is itself defined by a derivative is not in the book's language.", node)
        try:
            return self.backend.jacobian(
                lambda value: Evaluation(self.world.holding(glyph, value), self.equation)(quantity), self.world.value(glyph))
        except Contradiction:
            raise self._error("Autograd and difference quotients contradict each other here: code cuts the gradient off, as "
                              "detach does, or the function has a kink at the point.", node) from None

    def _error(self, reason: str, node: Node) -> FormulaError:
        return FormulaError(reason, self.equation.tex, node.span)


def _permute(value: Array, order: Sequence[int]) -> Array:
    return value.permute(*order) if isinstance(value, Tensor) else value.transpose(order)
