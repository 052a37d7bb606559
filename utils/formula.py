r"""Read an equation: from the TeX of the book to an expression whose shapes fit.

A small grammar knows brackets, indices, fractions, + and −. What a product means depends on its factors, so a product
stays a flat list in the grammar, and a second pass, which knows the shape of every symbol, settles it or refuses it.
Everything is a scalar or has two axes (columns are n × 1), a few arrays have three. Shapes are compared by the names of
their sizes: m × n never fits n × m, even where m = n. Nothing is broadcast, and nothing is skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lark import Token, Tree

from utils.expression import COLON, FIRST, Chain, Definition, Equation, Index, Node
from utils.grammar import WORDS, inside, only_item, parse, span_of
from utils.symbols import ONE, Shape, Size, Symbol, shape_text
from utils.tex import FormulaError, signs

__all__ = ["define", "python_name", "read_equation"]


def read_equation(tex: str, symbols: Mapping[str, Symbol], defined: Mapping[str, Shape] = {}) -> Equation:
    r"""Read an equation whose symbols are known.

    Parameters
    ----------
    tex : one equation, a chain a = b = c, or rows of them
    symbols : the declared ones, by glyph
    defined : shapes of the symbols that other equations define, by glyph

    Raises
    ------
    FormulaError
        If it cannot be read, or has no meaning: shapes that do not fit, an unknown symbol, an index with no range.

    >>> from utils.symbols import read_symbols
    >>> symbols = read_symbols({"x": "n", "A": "m n"})
    >>> read_equation(r"\frac{\partial}{\partial\mathbf x}(\mathbf A\mathbf x) = \mathbf A", symbols).chains[0].sides[0].shape
    (Size(number=1, letters='m'), Size(number=1, letters='n'))
    >>> read_equation(r"\frac{\partial}{\partial\mathbf x}(\mathbf A\mathbf x) = \mathbf A^\top", symbols)
    Traceback (most recent call last):
    utils.tex.FormulaError: The left side is m × n, but this side is n × m.
      \frac{\partial}{\partial\mathbf x}(\mathbf A\mathbf x) = \mathbf A^\top
                                                               ^^^^^^^^^^^^^^
    """
    return _within_reason(tex, lambda: _Reading(tex, symbols, dict(defined)).equation())


def define(tex: str, symbols: Mapping[str, Symbol], defined: Mapping[str, Shape] = {}) -> list[Definition]:
    r"""Read an equation as the definition of its left side, a row at a time; a later row may use an earlier one.

    Raises
    ------
    FormulaError
        If a left side is not a symbol, its transpose, or its entries.
    """
    return _within_reason(tex, lambda: _Reading(tex, symbols, dict(defined)).definitions())


def _within_reason(tex: str, read):
    try:
        return read()
    except RecursionError:
        raise FormulaError("This formula is nested too deeply.", tex, (0, len(tex))) from None


@dataclass(frozen=True)
class _Sign:
    """A place of a term that is not yet an expression: an operator that waits for what follows it."""

    kind: str
    span: tuple[int, int]
    data: object = None


class _Reading:
    """One pass over the parse tree of an equation."""

    def __init__(self, tex: str, symbols: Mapping[str, Symbol], defined: dict[str, Shape]):
        self.tex, self.symbols, self.defined = tex, symbols, defined
        self.sizes = {letter for symbol in symbols.values() for size in symbol.shape for letter in size.letters}
        for shape in defined.values():
            self.sizes |= {letter for size in shape for letter in size.letters}
        self.indices: dict[str, Size | None] = {}
        self.bound: dict[str, str] = {}      # the variable in the text → its own name, inside a sum
        self.used: list[str] = []            # free variables in the order in which they appear
        self.sums = 0

    # --- equations ---

    def equation(self) -> Equation:
        chains, free = [], []
        self.look_ahead()
        for sides in self.rows():
            self.used = []
            nodes = [self.sum(sides[0])]
            left = list(self.used)
            for side in sides[1:]:
                nodes.append(self.sum(side))
                self.same_shape(nodes)
                if extra := [name for name in self.used if name not in left]:
                    self.fail(f"The index {extra[0]} stands free on this side and not on the left.", nodes[-1].span)
            if len(nodes) < 2:
                self.fail("Here is no equation: an = is missing.", nodes[0].span)
            first = nodes[0].shape
            self.no_circle(nodes, sides)
            chains.append(Chain(tuple(replace(node, shape=first) if node.op == "zeros" else node for node in nodes)))
            free.append(left)
        return Equation(self.tex, chains, self.ranges(), free)

    def definitions(self) -> list[Definition]:
        found = []
        for sides in self.rows():
            if len(sides) < 2:
                self.fail("Here is no equation: an = is missing.", span_of(sides[0]))
            left = self.left_side(sides[0])
            if left is None:
                self.fail("A definition has on its left a symbol, its transpose, or its entries.", span_of(sides[0]))
            glyph, variables, transposed = left
            if glyph in self.sizes:
                self.fail(f"{glyph} is a size, and cannot be defined.", span_of(sides[0]))
            self.used = []
            node = self.sum(sides[1])
            if bad := [part for part in node.walk() if part.op == "differential"]:
                self.fail("A definition holds no differential.", bad[0].span)
            for side in sides[2:]:
                self.same_shape([node, self.sum(side)])
            printed = str(only_item(sides[0]).children[0].children[0])
            if variables and printed != glyph and node.shape:
                self.fail(f"An entry is a scalar, but this side is {shape_text(node.shape)}.", node.span)
            shape = self.defined_shape(glyph, variables, transposed, node)
            equation = Equation(self.tex, [Chain((node,))], {}, [list(variables)])
            found.append(Definition(glyph, shape, node, equation, variables, transposed))
            self.defined[glyph] = shape
        ranges = self.ranges()
        for definition in found:
            definition.equation.indices = ranges
        return found

    def rows(self) -> list[list[Tree]]:
        """The sides of each chain. A row that begins with = goes on with the chain of the row above."""
        chains: list[list[Tree]] = []
        for row in parse(self.tex).children:
            if isinstance(row, Token):
                continue
            sides = [child for child in row.children if isinstance(child, Tree)]
            if row.children[0] == "=":
                if not chains:
                    self.fail("The equation begins with =: its left side is missing.", span_of(row))
                chains[-1] += sides
            elif chains and len(sides) == 1:
                self.fail("Here is no equation: an = is missing.", span_of(row))
            else:
                chains.append(sides)
        return chains

    def left_side(self, side: Tree) -> tuple[str, tuple[str, ...], bool] | None:
        """What a definition defines: the glyph, the variables of its entries, whether its transpose is given."""
        item = only_item(side)
        if item is None or item.children[0].data != "name":
            return None
        letter, scripts = item.children[0].children[0], item.children[1:]
        if not scripts or (len(scripts) == 1 and scripts[0].data == "transpose"):
            return str(letter), (), bool(scripts)
        if len(scripts) != 1 or scripts[0].data != "subscript":
            return None
        parts = [part for part in scripts[0].children if isinstance(part, Tree)][0].children
        names = [part.children[0] for part in parts if isinstance(part, Tree) and len(part.children) == 1]
        if len(names) != len(parts) or len(set(names)) != len(names) or any(name in self.sizes for name in names):
            return None
        if len(names) == 1 and letter.startswith(r"\mathbf"):  # a member of a stack
            return str(letter), tuple(map(str, names)), False
        bold = _bold(letter)
        return bold[-1 if len(names) > 1 else 0], tuple(map(str, names)), False

    def defined_shape(self, glyph: str, variables: tuple[str, ...], transposed: bool, node: Node) -> Shape:
        if variables:
            for name in variables:
                if self.indices.get(name) is None:
                    self.fail(f"Nothing says how far the index {name} runs.", node.span)
            ranges = tuple(self.indices[name] for name in variables)
            if len(variables) == 1 and node.shape:       # Y_t = …
                shape = (*ranges, *node.shape)
            elif node.shape:
                self.fail(f"An entry is a scalar, but this side is {shape_text(node.shape)}.", node.span)
            else:
                row = glyph in self.symbols and self.symbols[glyph].shape[:1] == (ONE,)
                shape = ranges if len(ranges) > 1 else ((ONE, *ranges) if row else (*ranges, ONE))
            if extra := [name for name in self.used if name not in variables]:
                self.fail(f"The index {extra[0]} stands free on this side and not on the left.", node.span)
        else:
            shape = node.shape[::-1] if transposed else node.shape
            if self.used:
                self.fail(f"The index {self.used[0]} stands free on this side and not on the left.", node.span)
        declared = self.symbols.get(glyph)
        if declared is not None and declared.shape != shape:
            self.fail(f"{declared.name} is declared as {shape_text(declared.shape)}, but this side is {shape_text(shape)}.",
                      node.span)
        return shape

    def same_shape(self, nodes: list[Node]) -> None:
        first, last = nodes[0], nodes[-1]
        if last.op == "zeros" or first.op == "zeros" and len(nodes) == 2:
            return
        if first.shape != last.shape:
            self.fail(f"The left side is {shape_text(first.shape)}, but this side is {shape_text(last.shape)}.", last.span)

    def no_circle(self, nodes: list[Node], sides: list[Tree]) -> None:
        """Refuse what states nothing: the same on both sides, or J_X = J_X ⊙ 1[X > 0], which holds too often."""
        texts = [[sign.text for sign in signs(self.tex[slice(*span_of(side))]) if sign.kind not in ("BEGIN", "END")]
                 for side in sides]
        for node, text in zip(nodes[1:], texts[1:]):
            if text == texts[0]:
                self.fail("This side is the same as the left one: that states nothing.", node.span)
        for node in nodes:
            if zeros := [part for part in node.walk() if part.op == "zeros" and part is not node]:
                self.fail("A bold 0 (zeros) stands alone on its side.", zeros[0].span)
        cores = [_core(node) for node in nodes]
        alone = {_gradient_of(core) for core in cores} - {None}
        for core in cores:
            for part in core.walk():
                if part is not core and _gradient_of(part) in alone:
                    self.fail("This side uses the gradient that it is said to equal: that states nothing.", part.span)
        left = cores[0]
        if left.op == "symbol" and callable(getattr(self.symbols.get(left.data), "value", None)) and all(
                any(part.op == "symbol" and part.data == left.data for part in node.walk()) for node in nodes[1:]):
            self.fail(f"The right side uses {python_name(left.data)}, which it is to define.", nodes[-1].span)

    def look_ahead(self) -> None:
        """A unit vector is as long as its index runs, which another factor or side may tell."""
        if r"\mathbf{e}" not in [sign.text for sign in signs(self.tex)]:
            return
        for sides in self.rows():
            for side in sides:
                for item in side.find_data("item"):
                    ahead = _Reading(self.tex, self.symbols, self.defined)
                    try:
                        ahead.item(item)
                    except FormulaError:
                        continue
                    for name, size in ahead.indices.items():
                        if size is not None and name in ahead.used:
                            self.indices.setdefault(name, size)

    def ranges(self) -> dict[str, Size]:
        for name, size in self.indices.items():
            if size is None:
                self.fail(f"Nothing says how far the index {name} runs.", (0, len(self.tex)))
        return dict(self.indices)

    # --- sums and products ---

    def sum(self, tree: Tree) -> Node:
        total, sign = None, "+"
        for child in tree.children:
            if isinstance(child, Token):
                sign = str(child)
                continue
            node = self.term(child)
            if node.op == "zeros" and len(tree.children) > 1:
                self.fail("A bold 0 (zeros) stands alone on its side.", node.span)
            if sign == "-":
                node = Node("negative", (node,), node.shape, node.span)
            if total is not None and total.shape != node.shape:
                self.fail(f"Terms of different shapes are added: {shape_text(total.shape)} and {shape_text(node.shape)}.",
                          node.span)
            total = node if total is None else Node("add", (total, node), node.shape, (total.span[0], node.span[1]))
        return replace(total, span=span_of(tree))

    def term(self, tree: Tree) -> Node:
        return self.product(list(tree.children), span_of(tree))

    def product(self, places: list[Tree | Token], span: tuple[int, int]) -> Node:
        """A flat list of factors: what Σ, functions and ∂/∂x take is settled first, then ⊙ or ⊗ divides the rest."""
        parts: list[list[Node]] = [[]]
        operator = None
        while places:
            place = places.pop(0)
            self.no_application(place, places)
            place = self.item(place) if isinstance(place, Tree) else _Sign(place.type, span_of(place))
            if isinstance(place, Node):
                parts[-1].append(place)
            elif place.kind in ("HADAMARD", "KRONECKER"):
                if operator and operator != place.kind:
                    self.fail("⊙ and ⊗ stand in one product: put brackets around the one that comes first.", place.span)
                operator = place.kind
                parts.append([])
            elif place.kind == "SUM":
                parts[-1].append(self.summation(place, places, span))
                places = []
            else:
                parts[-1].append(self.apply(place, places.pop(0) if places else None))
        for part in parts:
            if not part:
                self.fail(f"A factor is missing beside {WORDS[operator]}." if operator else "A factor is missing.", span)
        if operator is None:
            return self.juxtaposed(parts[0], span)
        for part in parts:
            if sum(bool(node.shape) for node in part) > 1:
                self.fail(f"A matrix product stands beside {WORDS[operator]}: put brackets around it.", part[0].span)
        result = self.juxtaposed(parts[0], span)
        for part in parts[1:]:
            factor = self.juxtaposed(part, part[0].span)
            result = (self.hadamard if operator == "HADAMARD" else self.kronecker)(result, factor, span)
        return result

    def no_application(self, place: Tree | Token, rest: list[Tree | Token]) -> None:
        """u(t) says that u is a function of t, and would be read as u times t."""
        if not rest or not isinstance(place, Tree) or not isinstance(rest[0], Tree):
            return
        atom, following = place.children[0], rest[0].children[0]
        if atom.data == "name" and following.data == "bracket" and len(place.children) == 1:
            letter = str(atom.children[0])
            symbol = self.symbols.get(letter)
            of_something = letter in self.defined or (symbol is not None and (symbol.of or callable(symbol.value)))
            if of_something and (not self.shape(letter) or ONE in self.shape(letter)):
                self.fail(f"{python_name(letter)}(…) reads as a function of what is in the bracket: write {python_name(letter)} alone, or, "
                          "for a product, the bracket first.", (span_of(atom)[0], span_of(following)[1]))
        if atom.data == "number" and following.data == "fraction" and not any(True for _ in following.find_data("name")) \
                and not any(True for _ in following.find_data("partial")):
            self.fail("A number before a fraction of numbers reads as their sum: write one fraction.",
                      (span_of(atom)[0], span_of(following)[1]))

    def juxtaposed(self, factors: list[Node], span: tuple[int, int]) -> Node:
        result = factors[0]
        for factor in factors[1:]:
            if factor.op == "number" and result.op == "number":
                self.fail("Two numbers stand side by side: write their product as one number.", factor.span)
            result = self.times(result, factor, (result.span[0], factor.span[1]))
        return replace(result, span=span) if len(factors) > 1 else result

    def times(self, left: Node, right: Node, span: tuple[int, int]) -> Node:
        if len(left.shape) == 3 or len(right.shape) == 3:
            self.fail("An array with three axes cannot be multiplied as it stands: write its entries.", span)
        if not left.shape or not right.shape:
            return Node("scale", (left, right), left.shape or right.shape, span)
        if left.shape[1] != right.shape[0]:
            self.fail(f"This product does not exist: {shape_text(left.shape)} times {shape_text(right.shape)}.", span)
        shape = (left.shape[0], right.shape[1])
        return Node("matmul", (left, right), () if shape == (ONE, ONE) else shape, span)

    def hadamard(self, left: Node, right: Node, span: tuple[int, int]) -> Node:
        if left.shape != right.shape or not left.shape:
            self.fail(f"⊙ needs two factors of one shape, but they are {shape_text(left.shape)} and {shape_text(right.shape)}.",
                      span)
        return Node("scale", (left, right), left.shape, span)

    def kronecker(self, left: Node, right: Node, span: tuple[int, int]) -> Node:
        if len(left.shape) != 2 or len(right.shape) != 2:
            self.fail(f"⊗ needs two matrices, but they are {shape_text(left.shape)} and {shape_text(right.shape)}.", span)
        return Node("kronecker", (left, right), tuple(a * b for a, b in zip(left.shape, right.shape)), span)

    def summation(self, sign: _Sign, rest: list, span: tuple[int, int]) -> Node:
        name, start, stop = sign.data
        if not rest:
            self.fail("Σ has nothing to add up.", sign.span)
        if name in self.bound or name in self.used or name in self.sizes or name in self.symbols:
            self.fail(f"The index {name} of this sum has another meaning already.", sign.span)
        self.sums += 1
        own = f"{name}#{self.sums}"
        self.bound[name], self.indices[own] = own, stop
        body = self.product(rest, span)
        del self.bound[name]
        if not any(own in _variables(node) for node in body.walk()):
            self.fail(f"The index {name} of this sum does not appear in what is added up.", sign.span)
        return Node("sum", (body,), body.shape, (sign.span[0], span[1]), (own, start))

    def apply(self, sign: _Sign, tree: Tree | Token | None) -> Node:
        """An operator and what it acts on, a bracket or a matrix; what is written at the bracket belongs to the result."""
        name = {"FUNCTION": sign.data, "DERIVATIVE": "∂/∂", "INDICATOR": "A bold 1 without a size", "DIFFERENTIAL": "d"}[sign.kind]
        wanted = {"INDICATOR": ("square",), "DIFFERENTIAL": ("name",)}.get(sign.kind, ("bracket", "square", "matrix"))
        if not isinstance(tree, Tree) or tree.children[0].data not in wanted:
            what = {"square": "a condition such as [x > 0]", "name": "a symbol"}.get(wanted[0], "a bracket")
            self.fail(f"{name} must be followed by {what}.", sign.span)
        atom, scripts = tree.children[0], list(tree.children[1:])
        span = (sign.span[0], span_of(atom)[1])
        if sign.kind == "DIFFERENTIAL":
            node = self.read_name(atom, scripts, span_of(tree))
            if node.op != "symbol" or scripts:
                self.fail("d stands before a symbol.", node.span)
            return Node("differential", (), node.shape, span, node.data)
        argument = getattr(self, f"read_{atom.data}")(atom, [], span)
        if sign.kind == "INDICATOR":
            if argument.op != "condition":
                self.fail("A bold 1 with a square bracket needs a condition in it, such as [x > 0].", argument.span)
            node = replace(argument, op="indicator", span=span)
        elif sign.kind == "FUNCTION":
            node = self.function(sign.data, argument, span)
        elif scripts:
            self.fail("∂/∂ acts on this bracket, so what is written at it is ambiguous: put brackets around the whole.", span)
        else:
            node = self.derivative(argument, sign.data, span)
        for script in scripts:
            node = self.scripted(node, script, (span[0], span_of(script)[1]))
        return node

    def function(self, name: str, argument: Node, span: tuple[int, int]) -> Node:
        shape = argument.shape
        if argument.op == "condition" or (argument.op == "pair" and name != "max"):
            self.fail(f"{name} takes one argument.", argument.span)
        if name == "diag":
            if len(shape) != 2 or shape[1] != ONE:
                self.fail(f"diag takes a column, but this is {shape_text(shape)}.", argument.span)
            return Node("diagonal", (argument,), (shape[0], shape[0]), span)
        if name == "tr":
            if len(shape) != 2 or shape[0] != shape[1]:
                self.fail(f"tr takes a square matrix, but this is {shape_text(shape)}.", argument.span)
            return Node("trace", (argument,), (), span)
        if name in ("vec_r", "vec_c"):
            if len(shape) != 2:
                self.fail(f"{name} takes a matrix, but this is {shape_text(shape)}.", argument.span)
            return Node("vec", (argument,), (shape[0] * shape[1], ONE), span, name[-1])
        if name == "max":
            if argument.op != "pair" or argument.args[0].op != "number" or argument.args[0].data != "0":
                self.fail(r"max is read as \max(0, …) only.", argument.span)
            return Node("relu", (argument.args[1],), argument.args[1].shape, span)
        return Node("relu", (argument,), shape, span) if name == "ReLU" else Node("elementwise", (argument,), shape, span, name)

    # --- items: an atom with its indices and exponents ---

    def item(self, tree: Tree) -> Node | _Sign:
        atom, scripts = tree.children[0], list(tree.children[1:])
        span = (span_of(atom)[0], span_of(tree)[1])
        self.no_double_script(scripts)
        method = getattr(self, f"read_{atom.data}")
        result = method(atom, scripts, span)
        if isinstance(result, Node) and result.op in ("condition", "pair"):
            self.fail("A bracket like this one stands after a function only.", result.span)
        if isinstance(result, _Sign):
            if scripts:
                self.fail("An index or exponent stands where none can be.", span_of(scripts[0]))
            return result
        for script in scripts:
            result = self.scripted(result, script, (span[0], span_of(script)[1]))
        return result

    def no_double_script(self, scripts: list[Tree]) -> None:
        below = [script.data == "subscript" for script in scripts]
        if len(below) > 2 or below in ([True, True], [False, False]):
            self.fail("Two indices or two exponents stand one behind the other: put brackets around the first.",
                      span_of(scripts[-1]))
        if below == [False, True] and scripts[0].data == "transpose":
            self.fail("An index stands behind ⊤, and the two print in one place: put brackets around what is transposed.",
                      span_of(scripts[-1]))

    def scripted(self, node: Node, script: Tree, span: tuple[int, int]) -> Node:
        if script.data == "transpose":
            if len(node.shape) == 3:
                self.fail("An array with three axes has no transpose.", span)
            return Node("transpose", (node,), node.shape[::-1], span)
        if script.data == "power":
            inner = inside(script)
            item = only_item(inner if len(inner.children) == 1 else Tree("sum", inner.children[1:]))
            if item is not None and item.children[0].data == "name" and item.children[0].children[0] == "T":
                self.fail(r"A transpose is written ^\top.", span_of(script))
            if item is None or item.children[0].data != "number" or len(item.children) > 1 or len(inner.children) > 2:
                self.fail("An exponent is a number.", span_of(script))
            exponent = self.sum(inner)
            if node.shape:
                self.fail(f"Only a scalar has powers, and this is {shape_text(node.shape)}: write the product.", span)
            return Node("power", (node, exponent), (), span)
        if not node.shape:
            self.fail("A scalar has no entries: an index stands here.", span_of(script))
        return self.select(node, self.read_indices(script, len(node.shape), node.shape), span)

    def select(self, node: Node, indices: tuple[Index, ...], span: tuple[int, int]) -> Node:
        """Entries or slices of a value. A vector takes one index, whichever way it stands."""
        if len(node.shape) == 2 and ONE in node.shape:
            if len(indices) != 1 or indices[0] == COLON:
                self.fail("A vector takes one index.", span)
            indices = (*indices, FIRST) if node.shape[1] == ONE else (FIRST, *indices)
            return Node("select", (node,), (), span, indices)
        if len(indices) == 1 and len(node.shape) == 3 and indices[0].terms:  # a member of a stack
            indices = (*indices, COLON, COLON)
        if len(indices) != len(node.shape):
            self.fail(f"{len(indices)} indices stand at a value of shape {shape_text(node.shape)}.", span)
        for index, size in zip(indices, node.shape):
            self.runs(index, size, span)
        kept = [size for index, size in zip(indices, node.shape) if index.terms is None]
        if len(kept) == 1:
            lies = len(node.shape) == 2 and indices[1].terms is None
            shape = (ONE, kept[0]) if lies else (kept[0], ONE)
        else:
            shape = tuple(kept)
        return Node("select", (node,), shape, span, indices)

    def runs(self, index: Index, size: Size, span: tuple[int, int]) -> None:
        """Note, or compare, how far an index variable runs."""
        name = index.variable
        if name is None:
            return
        known = self.indices.get(name)
        if known is None:
            self.indices[name] = size
        elif known != size:
            self.fail(f"The index {name.split('#')[0]} runs to {known} elsewhere, and to {size} here.", span)

    def read_indices(self, script: Tree, axes: int, shape: Shape = ()) -> tuple[Index, ...]:
        parts = inside(script).children
        groups: list[list] = [[]]
        arithmetic = any(isinstance(part, Token) and part.type in ("COMMA", "PLUS", "MINUS") for part in parts)
        for part in parts:
            if isinstance(part, Token) and part.type == "EQUALS":
                self.fail("An = stands in an index.", span_of(part))
            if isinstance(part, Token) and part.type == "COMMA":
                groups.append([])
            else:
                groups[-1].append(part)
        if not arithmetic:
            digits = [list(part) if isinstance(part, Token) and part.type == "NUMBER" else [part] for part in groups[0]]
            groups = [[part] for group in digits for part in group]
        indices = tuple(self.read_index(group, span_of(script)) for group in groups)
        if len(indices) == 1 and len(shape) == 2 and ONE in shape and shape != (ONE, ONE):
            self.runs(indices[0], shape[0] if shape[1] == ONE else shape[1], span_of(script))
        return indices

    def read_index(self, parts: list, span: tuple[int, int]) -> Index:
        if len(parts) == 1 and isinstance(parts[0], Token) and parts[0].type == "COLON":
            return COLON
        terms, number, letters, variable, sign, empty = [], 1, "", None, 1, True
        for part in [*parts, None]:
            if part is None or isinstance(part, Token) and part.type in ("PLUS", "MINUS"):
                if empty:
                    self.fail("An index is incomplete.", span)
                terms.append((sign * number, letters, variable))
                number, letters, variable, empty = 1, "", None, True
                sign = -1 if part == "-" else 1
                continue
            empty = False
            if isinstance(part, str) and part.isdigit():
                number *= int(part)
            elif isinstance(part, Tree) and len(part.children) == 1 and not part.children[0].startswith("\\"):
                letter = str(part.children[0])
                if letter in self.sizes:
                    letters += letter
                elif variable is None:
                    variable = self.variable(letter)
                else:
                    self.fail("A product of two index variables stands in an index.", span)
            else:
                self.fail("An index is a letter, a number, or a sum of products of them.", span)
        if any(letters for _, letters, _ in terms) and not any(variable for _, _, variable in terms):
            self.fail(f"{terms[0][1]} is a size, and no index: write another letter.", span)
        return Index(tuple(terms))

    def variable(self, letter: str) -> str:
        if letter in self.bound:
            return self.bound[letter]
        if letter in self.symbols:
            self.fail(f"{letter} is declared as a scalar and stands as an index.", (0, len(self.tex)))
        if letter not in self.used:
            self.used.append(letter)
        self.indices.setdefault(letter, None)
        return letter

    # --- atoms ---

    def read_name(self, atom: Tree, scripts: list, span: tuple[int, int]) -> Node:
        letter = str(atom.children[0])
        if letter == r"\mathbf{J}" and scripts and (name := _inner_name(scripts[0])) is not None:
            return self.gradient(name, scripts, span)
        if letter == r"\mathbf{J}" and not self.known(letter):
            self.fail(r"J is a gradient by a symbol that is printed as it is elsewhere: \mathbf J_{\mathbf W}.", span)
        if letter == r"\mathbf{I}" and not self.known(letter):
            size = self.read_size(scripts, "I", span)
            return Node("identity", (), (size, size), span)
        if letter == r"\mathbf{e}" and not self.known(letter) and scripts and scripts[0].data == "subscript":
            index, *more = self.read_indices(scripts.pop(0), 1)
            if more:
                self.fail("A unit vector has one index.", span)
            size = self.indices.get(index.variable) if index.variable else None
            if size is None:
                self.fail("Nothing says how many entries this unit vector has: its index must run over something else too.", span)
            return Node("unit", (), (size, ONE), span, index)
        subscript = scripts[0] if scripts and scripts[0].data == "subscript" else None
        if self.known(letter):
            if subscript and letter.startswith((r"\mathbf", r"\hat", r"\bar", r"\tilde", r"\dot")) and not _slices(subscript) \
                    and len(self.shape(letter)) < 3:
                self.fail(f"An entry is printed plain: write {_plain(letter)} with its indices.", span)
            return Node("symbol", (), self.shape(letter), span, letter)
        if subscript is not None:
            return self.entry(letter, scripts, span)
        if letter in self.sizes:
            return Node("size", (), (), span, Size.read(letter))
        self.unknown(letter, span)

    def entry(self, letter: str, scripts: list, span: tuple[int, int]) -> Node:
        """An entry, printed plain, of the bold symbol of the same letter that has as many axes as there are indices."""
        script = scripts.pop(0)
        found = [bold for bold in _bold(letter) if self.known(bold)]
        for bold in found:
            shape = self.shape(bold)
            vector = len(shape) == 2 and ONE in shape
            count = len(self.count_indices(script))
            if count == (1 if vector else len(shape)):
                base = Node("symbol", (), shape, span, bold)
                return self.select(base, self.read_indices(script, len(shape), shape), (span[0], span_of(script)[1]))
        if found:
            self.fail(f"{letter} stands with {len(self.count_indices(script))} indices, but {python_name(found[0])} has shape "
                      f"{shape_text(self.shape(found[0]))}.", span)
        self.unknown(letter, span)

    def count_indices(self, script: Tree) -> list:
        parts = inside(script).children
        tokens = [part for part in parts if isinstance(part, Token)]
        if any(token.type == "EQUALS" for token in tokens):
            self.fail("An = stands in an index.", span_of(script))
        if any(token.type in ("COMMA", "PLUS", "MINUS") for token in tokens):
            return [None] * (1 + sum(token.type == "COMMA" for token in tokens))
        return [sign for part in parts for sign in (part if isinstance(part, Token) else [part])]

    def gradient(self, name: Tree, scripts: list, span: tuple[int, int]) -> Node:
        """J_W: the gradient of the loss by W, unless a symbol J_W is declared."""
        letter = str(name.children[0])
        glyph = rf"\mathbf{{J}}_{{{letter}}}"
        inner = name.children[1:]
        if len(inner) > 1 or any(script.data != "subscript" for script in inner):
            self.fail(r"A gradient is by a symbol, or by a member of a stack: \mathbf J_{\mathbf W}, \mathbf J_{\mathbf Y_t}.", span)
        scripts.pop(0)
        if self.known(glyph):
            node = Node("symbol", (), self.shape(glyph), span, glyph)
        else:
            if not self.known(letter):
                self.unknown(letter, span)
            if not self.known("L"):
                self.fail("A gradient needs a loss: say what L is, by an equation in given, or as in L=\"of y\".", span)
            node = Node("gradient", (), self.shape(letter), span, letter)
        return self.select(node, self.read_indices(inner[0], 1), span) if inner else node

    def read_number(self, atom: Tree, scripts: list, span: tuple[int, int]) -> Node:
        return Node("number", (), (), span, str(atom.children[0]))

    def read_delta(self, atom: Tree, scripts: list, span: tuple[int, int]) -> Node:
        if not scripts or scripts[0].data != "subscript":
            self.fail("δ needs its two indices.", span)
        indices = self.read_indices(scripts.pop(0), 2)
        if len(indices) != 2 or COLON in indices:
            self.fail("δ needs two indices.", span)
        first, second = (index.variable for index in indices)
        if first and second:
            known, other = self.indices[first], self.indices[second]
            if known and other and known != other:
                self.fail(f"δ compares an index that runs to {known} with one that runs to {other}.", span)
            self.indices[first], self.indices[second] = known or other, other or known
        return Node("delta", (), (), span, indices)

    def read_ones(self, atom: Tree, scripts: list, span: tuple[int, int]) -> Node | _Sign:
        if scripts and scripts[0].data == "subscript":
            return Node("ones", (), (self.read_size(scripts, "1", span), ONE), span)
        return _Sign("INDICATOR", span)

    def read_zeros(self, atom: Tree, scripts: list, span: tuple[int, int]) -> Node:
        if scripts:
            self.fail("A bold 0 (zeros) takes no size: it has the shape of the other side.", span_of(scripts[0]))
        return Node("zeros", (), (), span)

    def read_size(self, scripts: list, letter: str, span: tuple[int, int]) -> Size:
        if not scripts or scripts[0].data != "subscript":
            self.fail(rf"\mathbf {letter} needs its size as an index.", span)
        script = scripts.pop(0)
        size = ONE
        for part in inside(script).children:
            text = str(part) if isinstance(part, Token) else str(part.children[0])
            if isinstance(part, Tree) and len(part.children) > 1:
                self.fail("A size is a product of letters and numbers.", span_of(script))
            if not (text.isdigit() or text in self.sizes):
                self.fail(f"{text!r} is not a size that is known here; known are {', '.join(sorted(self.sizes)) or 'none'}.",
                          span_of(script))
            size = size * Size.read(text)
        return size

    def read_function(self, atom: Tree, scripts: list, span: tuple[int, int]) -> _Sign:
        return _Sign("FUNCTION", span, str(atom.children[0]))

    def read_differential(self, atom: Tree, scripts: list, span: tuple[int, int]) -> _Sign:
        return _Sign("DIFFERENTIAL", span)

    def read_partial(self, atom: Tree, scripts: list, span: tuple[int, int]) -> Node:
        self.fail(r"∂ stands outside of a fraction: write \frac{\partial …}{\partial …}.", span)

    def read_summation(self, atom: Tree, scripts: list, span: tuple[int, int]) -> _Sign:
        bounds = {script.data: script for script in scripts}
        if set(bounds) != {"subscript", "power"} or len(scripts) != 2:
            self.fail(r"Σ needs both bounds, as in \sum_{i=1}^{n}.", span)
        lower = inside(bounds["subscript"]).children
        if len(lower) != 3 or str(lower[1]) != "=" or not isinstance(lower[0], Tree) or len(lower[0].children) > 1 \
                or not str(lower[2]).isdigit():
            self.fail(r"The lower bound of Σ names the index and where it begins, as in i=1.", span_of(bounds["subscript"]))
        inner = inside(bounds["power"])
        upper = ONE
        for item in inner.children[0].children if len(inner.children) == 1 else [None]:
            text = str(item.children[0].children[0]) if isinstance(item, Tree) and len(item.children) == 1 else ""
            if not (text in self.sizes or text.isdigit()):
                self.fail(f"The upper bound of Σ is a size; known are {', '.join(sorted(self.sizes)) or 'none'}.",
                          span_of(bounds["power"]))
            upper = upper * Size.read(text)
        scripts.clear()
        return _Sign("SUM", span, (str(lower[0].children[0]), int(lower[2]), upper))

    def read_group(self, atom: Tree, scripts: list, span: tuple[int, int]) -> Node:
        return self.sum(inside(atom))

    def read_bracket(self, atom: Tree, scripts: list, span: tuple[int, int]) -> Node:
        nodes = [self.sum(child) for child in atom.children if isinstance(child, Tree)]
        if len(nodes) == 1:
            return replace(nodes[0], span=span_of(atom))
        if len(nodes) == 2:
            return Node("pair", tuple(nodes), (), span_of(atom))
        self.fail("Three things stand in one bracket.", span)

    def read_square(self, atom: Tree, scripts: list, span: tuple[int, int]) -> Node:
        sides = [self.sum(child) for child in atom.children if isinstance(child, Tree)]
        if len(sides) == 1:
            return replace(sides[0], span=span_of(atom))
        relation = next(str(child) for child in atom.children if isinstance(child, Token) and child.type == "RELATION")
        left, right = sides
        if (right.args[0] if right.op == "negative" else right).op != "number" and left.shape != right.shape:
            self.fail("A condition compares every entry with one number, or two values of one shape.", span)
        return Node("condition", (left, right), left.shape, span_of(atom), relation)

    def read_norm(self, atom: Tree, scripts: list, span: tuple[int, int]) -> Node:
        node = self.sum(inside(atom))
        if len(node.shape) != 2:
            self.fail(f"A norm is of a vector or a matrix, but this is {shape_text(node.shape)}.", span)
        if any(script.data == "subscript" for script in scripts):
            self.fail("A norm stands without an index: it is the root of the sum of the squared entries.", span_of(scripts[0]))
        return Node("norm", (node,), (), span)

    def read_root(self, atom: Tree, scripts: list, span: tuple[int, int]) -> Node:
        node = self.sum(inside(atom))
        if node.shape:
            self.fail(f"A root is taken of a scalar, but this is {shape_text(node.shape)}.", node.span)
        return Node("elementwise", (node,), (), span, "sqrt")

    def read_matrix(self, atom: Tree, scripts: list, span: tuple[int, int]) -> Node:
        rows = [[self.sum(cell) for cell in row.children if isinstance(cell, Tree)]
                for row in atom.children if isinstance(row, Tree)]
        if len({len(row) for row in rows}) != 1:
            self.fail("The rows of this matrix have different lengths.", span)
        for node in (node for row in rows for node in row):
            if node.shape:
                self.fail(f"An entry of a matrix is a scalar, but this is {shape_text(node.shape)}.", node.span)
        shape = (Size(len(rows), ""), Size(len(rows[0]), ""))
        if shape == (ONE, ONE):
            return replace(rows[0][0], span=span)
        return Node("matrix", tuple(node for row in rows for node in row), shape, span, len(rows))

    def read_fraction(self, atom: Tree, scripts: list, span: tuple[int, int]) -> Node | _Sign:
        above, below = [child for child in atom.children if isinstance(child, Tree)]
        over, under = _leading(above), _leading(below)
        if all(_leading_name(side) == "d" for side in (above, below)):
            self.fail(r"An ordinary derivative is written with \partial.", span)
        if "differential" in (over, under):
            self.fail(r"An ordinary derivative is written with \partial.", span)
        if "partial" in (over, under):
            if over != under:
                self.fail(r"∂ stands on one side of the fraction only.", span)
            for item in (side.children[0].children[0] for side in (above, below)):
                if len(item.children) > 1:
                    self.fail("A higher derivative is not in the book's language.", span_of(item))
            target = self.target(below)
            if len(above.children) > 1:
                self.fail("∂ stands before one quantity: put brackets around a sum.", span_of(above))
            items = list(above.children[0].children)
            if len(items) == 1 and len(items[0].children) == 1:
                return _Sign("DERIVATIVE", span, target)
            quantity = self.product(items[1:], span_of(above))
            return self.derivative(quantity, target, span)
        numerator, denominator = self.sum(above), self.sum(below)
        if denominator.shape:
            self.fail(f"A denominator is a scalar, but this is {shape_text(denominator.shape)}.", denominator.span)
        if len(numerator.shape) == 3:
            self.fail("An array with three axes cannot be divided as it stands: write its entries.", numerator.span)
        return Node("divide", (numerator, denominator), numerator.shape, span)

    # --- derivatives ---

    def target(self, tree: Tree) -> tuple:
        """What a derivative is by: a symbol, an entry of one, or the vec of one."""
        items = list(tree.children[0].children) if len(tree.children) == 1 else []
        if len(items) > 1:
            node = self.product(items[1:], span_of(tree))
            if node.op == "vec" and node.args[0].op == "symbol":
                return node.args[0].data, node.args[0].shape, node.data, ()
            if node.op == "symbol":
                return node.data, node.shape, "whole", ()
            if node.op == "select" and node.args[0].op == "symbol" and not node.shape:
                return node.args[0].data, node.args[0].shape, "entry", node.data
        self.fail("A derivative is by a symbol, an entry of a symbol, or the vec of a symbol.", span_of(tree))

    def derivative(self, quantity: Node, target: tuple, span: tuple[int, int]) -> Node:
        glyph, shape, mode, _ = target
        of = quantity.shape
        if quantity.op in ("condition", "pair"):
            self.fail("What stands in this bracket is not one value.", quantity.span)
        if any(node.op in ("derivative", "gradient", "differential") for node in quantity.walk()):
            self.fail("A derivative of a derivative is not in the book's language.", span)
        if mode == "entry" or not shape:
            if len(of) == 3:
                self.fail("An array with three axes cannot be differentiated: write its entries.", span)
            result = of
        elif mode in ("r", "c"):
            result = self.by_column(of, shape[0] * shape[1], span)
        elif len(shape) == 2 and shape[1] == ONE:
            result = self.by_column(of, shape[0], span)
        elif len(shape) == 3 or shape[0] == ONE:
            self.fail(f"A derivative by {python_name(glyph)}, of shape {shape_text(shape)}, has no fixed layout: write it by entries, or "
                      "as a gradient J.", span)
        elif not of:
            result = shape
        elif of[1:] == (ONE,):
            result = (of[0], *shape)
        else:
            self.fail(f"The derivative of a value of shape {shape_text(of)} by a matrix has four axes: write entries, or vec_r or "
                      "vec_c of both.", span)
        return Node("derivative", (quantity,), result, span, target)

    def by_column(self, of: Shape, entries: Size, span: tuple[int, int]) -> Shape:
        if not of:
            return (ONE, entries)
        if of[1:] != (ONE,):
            self.fail(f"In numerator layout a column is differentiated by a column, but this is {shape_text(of)}.", span)
        return (of[0], entries)

    # --- symbols ---

    def known(self, letter: str) -> bool:
        return letter in self.symbols or letter in self.defined

    def shape(self, letter: str) -> Shape:
        return self.defined[letter] if letter in self.defined else self.symbols[letter].shape

    def unknown(self, letter: str, span: tuple[int, int]) -> None:
        known = [symbol.name for symbol in self.symbols.values()] + [python_name(letter) for letter in self.defined]
        self.fail(f"Nothing says what {python_name(letter)} is (known are {', '.join(known) or 'no symbols'}): declare it, as in "
                  f"{python_name(letter)}=\"n\", name the equation that defines it in given, or give code that computes it.", span)

    def fail(self, reason: str, span: tuple[int, int]) -> None:
        raise FormulaError(reason, self.tex, span)


def _leading_name(tree: Tree) -> str:
    first = tree.children[0]
    item = first.children[0] if isinstance(first, Tree) else first
    return str(item.children[0].children[0]) if isinstance(item, Tree) and item.children[0].data == "name" else ""


def _core(node: Node) -> Node:
    """A side without what only moves entries."""
    while node.op in ("transpose", "select", "vec"):
        node = node.args[0]
    return node


def _gradient_of(node: Node) -> str | None:
    """The symbol that a gradient of the loss is by, however it is written."""
    if node.op == "gradient":
        return node.data
    if node.op == "derivative" and node.args[0].op == "symbol" and node.args[0].data == "L":
        return node.data[0]
    return None


def _inner_name(script: Tree) -> Tree | None:
    """The name that stands in an index, where the index is a name with a font or an accent: the W of J_W."""
    if script.data != "subscript":
        return None
    parts = inside(script).children
    if len(parts) == 1 and isinstance(parts[0], Tree) and parts[0].children[0].startswith("\\"):
        return parts[0]
    return None


def _slices(script: Tree) -> bool:
    return any(isinstance(part, Token) and part.type == "COLON"
               for part in inside(script).children)


def _leading(tree: Tree) -> str:
    """What the first factor of a sum is; "partial" for ∂x."""
    first = tree.children[0]
    item = first.children[0] if isinstance(first, Tree) else first
    return item.children[0].data if isinstance(item, Tree) else ""


def _variables(node: Node) -> set[str]:
    """The index variables that an expression uses itself, apart from its arguments."""
    indices = ()
    if node.op == "select":
        indices = node.data
    elif node.op == "delta":
        indices = node.data
    elif node.op == "unit":
        indices = (node.data,)
    elif node.op == "derivative":
        indices = node.data[3]
    return {term[2] for index in indices if index.terms for term in index.terms if term[2]}


def _bold(letter: str) -> list[str]:
    r"""The bold symbols whose entries a plain letter may name: a vector's, then a matrix's.

    >>> _bold("a"), _bold(r"\hat{a}")
    (['\\mathbf{a}', '\\mathbf{A}'], ['\\hat{\\mathbf{a}}', '\\hat{\\mathbf{A}}'])
    """
    accent, _, base = letter.rpartition("{")
    base = base.rstrip("}")
    letters = dict.fromkeys([base, base.upper()] if len(base) == 1 else [base])
    return [rf"{accent}{{\mathbf{{{one}}}}}" if accent else rf"\mathbf{{{one}}}" for one in letters]


def _plain(glyph: str) -> str:
    return glyph.replace(r"\mathbf{", "", 1).replace("}", "", 1)


def python_name(glyph: str) -> str:
    r"""A glyph as it is called in Python.

    >>> python_name(r"\mathbf{J}_{\hat{\mathbf{a}}}"), python_name(r"\varepsilon")
    ('J_a_hat', 'eps')
    """
    if glyph.startswith(gradient := r"\mathbf{J}_{"):
        return f"J_{python_name(glyph[len(gradient):-1])}"
    for accent in ("hat", "bar", "tilde", "dot"):
        if glyph.startswith(f"\\{accent}{{"):
            return f"{python_name(glyph[len(accent) + 2:-1])}_{accent}"
    return glyph.replace(r"\mathbf{", "").replace("}", "").replace(r"\varepsilon", "eps").replace("\\", "")
