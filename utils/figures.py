"""Draw the figures of the book: grids of entries, arrows, curves, small graphs.

A figure is drawn with matplotlib on a `canvas` (grids and boxes; x to the right, y down, one unit = one cell) or on
`axes` (curves and plane vectors), and `show` turns it into SVG inside the page, whose colours follow the reader's
theme. Each colour has one meaning in the whole book; `colour(kind)` gives it to any matplotlib call.

>>> ax = canvas()
>>> w = grid(ax, [[0.5, -0.3], [0.2, 0.8]], kind="weight", title=r"$\\mathbf{W}$")
>>> x = grid(ax, [1.3, 0.9], kind="input", title=r"$\\mathbf{x}$", after=w)
>>> show(ax, alt="A two by two matrix W beside a vector x of two entries")
Figure: A two by two matrix W beside a vector x of two entries
"""

from __future__ import annotations

import functools
import io
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.text import Text
from matplotlib.textpath import TextPath
from matplotlib.transforms import Bbox

from utils.theme import PALETTE, Picture, colour, css, tidy

Point = tuple[float, float]
Cell = tuple[int | slice | None, int | slice | None]
TEXT, SMALL = 14.0, 13.0  # points; on a phone, 340 pixels wide, 13 in a picture of 6.8 in are 9 pixels
_FONT = {"family": ["STIXGeneral", "DejaVu Sans"], "math_fontfamily": "stix"}
_STYLE = {"svg.fonttype": "path", "svg.hashsalt": "figures", "path.simplify": True, "lines.linewidth": 2,
          "font.family": ["STIXGeneral", "DejaVu Sans"], "mathtext.fontset": "stix",
          "xtick.minor.size": 0, "ytick.minor.size": 0}


def show(ax: Axes | Sequence[Axes], alt: str) -> Picture:
    """Finish a figure.

    Parameters
    ----------
    ax : what `canvas`, `axes` or `panels` gave
    alt : what the figure shows, in words without TeX, for readers who hear the page

    Raises
    ------
    ValueError
        If the alternative text says nothing, a colour is not the book's, or the text would be too small on a phone.
    """
    alt = " ".join(alt.split())
    if len(alt.split()) < 3:
        raise ValueError(f"a figure needs an alternative text that says what it shows, in a few words; got {alt!r}")
    if isinstance(ax, Axes):
        return Picture(tidy(_svg(ax), alt), alt)
    return Picture("".join(tidy(_svg(panel), "") for panel in ax), alt)


def _svg(ax: Axes) -> str:
    """Return matplotlib's SVG of one figure, refused if its text would be too small on a phone."""
    figure, buffer = ax.figure, io.BytesIO()
    with matplotlib.rc_context(_STYLE):
        figure.draw_without_rendering()  # places the tick labels
        texts = [text for text in figure.findobj(Text) if text.get_text()]
        for text in texts:
            text.set(text=_close_up(text.get_text()), **_FONT)
        figure.draw_without_rendering()
        extent = figure.get_tightbbox() if ax.axison else _drawn_on(ax)
        crop = extent.padded(0.05)
        smallest = min((text.get_fontsize() for text in texts if text.get_visible()), default=TEXT)
        if smallest * 340 / (72 * crop.width) < 9:
            raise ValueError(
                f"text of {smallest:g} points in a picture {crop.width:.1f} in wide is too small on a phone; it may be "
                f"{340 * smallest / 9 / 72:.1f} in wide: stack the parts (below=…), or make the cells smaller"
            )
        no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, bbox_inches=crop, metadata=no_metadata)
    return buffer.getvalue().decode()


def _drawn_on(ax: Axes) -> Bbox:
    """Return the part of a canvas that was drawn on, in inches."""
    artists = [*ax.patches, *ax.lines, *ax.collections, *(text for text in ax.texts if text.get_text())]
    for artist in artists:
        artist.set_clip_on(False)
    if not artists:
        raise ValueError("nothing was drawn on this canvas")
    extent = Bbox.union([artist.get_tightbbox() for artist in artists])
    return extent.transformed(ax.figure.dpi_scale_trans.inverted())


def _close_up(text: str) -> str:
    """Return TeX whose transposes stand close to their letters; matplotlib leaves space around ⊤."""
    return text.replace(r"^\top", r"^{\!\top\!}").replace(r"^{\top}", r"^{\!\top\!}")


# --- surfaces ---------------------------------------------------------------------------------------------------------


def canvas(cell: float = 0.5) -> Axes:
    """Return an empty surface for grids and boxes: x to the right, y down, one unit = one cell of ``cell`` inches.

    It needs no size: `show` cuts it to what was drawn. At most 12 cells of 0.5 in fit beside each other.
    """
    ax = Figure(figsize=(cell, cell)).add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, 1), ylim=(1, 0))
    ax.axis("off")
    return ax


def panels(count: int, width: float = 6.2, height: float = 3.0) -> list[Axes]:
    """Return ``count`` axes with thin spines and no frame, side by side or, on a phone, one below the other.

    The sizes are those of the whole row, in inches.
    """
    return [_axes(width / count, height) for _ in range(count)]


def _axes(width: float, height: float) -> Axes:
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06)
        ax = figure.add_subplot()
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(colour("faint"))
    ax.tick_params(which="both", color=colour("faint"), labelcolor=colour("ink"), labelsize=SMALL, width=0.8)
    for text in (ax.title, ax.xaxis.label, ax.yaxis.label):
        text.set(fontsize=TEXT, color=colour("ink"))
    return ax


def axes(width: float = 4.8, height: float = 3.2, *, equal: bool = False) -> Axes:
    """Return axes for curves; with ``equal``, a plane with both axes to one scale and no ticks, for vectors."""
    ax = _axes(width, height)
    if equal:
        ax.set_aspect("equal")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    return ax


# --- on a canvas ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Box:
    """A rectangle on a canvas; ``outer`` also holds its title and labels. Arrows start and end at boxes."""

    left: float
    top: float
    right: float
    bottom: float
    outer: Box | None = None

    @property
    def centre(self) -> Point:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def __or__(self, other: Box) -> Box:
        """Return the smallest box around both."""
        return Box(min(self.left, other.left), min(self.top, other.top),
                   max(self.right, other.right), max(self.bottom, other.bottom))


@dataclass(frozen=True)
class Grid(Box):
    """A drawn matrix; ``cell(i, j)``, ``row(i)`` and ``column(j)``, counted from 0, are boxes in it."""

    shape: tuple[int, int] = (0, 0)

    def cell(self, i: int | slice | None, j: int | slice | None) -> Box:
        """Return the box of a cell; ``None`` stands for all rows or all columns, a slice for some."""
        rows, columns = _span((i, j), self.shape)
        wide, high = (self.right - self.left) / self.shape[1], (self.bottom - self.top) / self.shape[0]
        return Box(self.left + columns.start * wide, self.top + rows.start * high,
                   self.left + columns.stop * wide, self.top + rows.stop * high)

    def row(self, i: int) -> Box:
        return self.cell(i, None)

    def column(self, j: int) -> Box:
        return self.cell(None, j)


def _span(cell: Cell, shape: tuple[int, int]) -> tuple[range, range]:
    """Return the rows and the columns that a cell with ``None`` or slices in it covers."""
    if not isinstance(cell, tuple) or len(cell) != 2:
        raise ValueError(f"a cell is a pair (i, j), and lit a list of them, as [(0, None), (1, 2)]; got {cell!r}")
    spans = []
    for index, length in zip(cell, shape):
        if hasattr(index, "__index__"):
            index = slice(index, index + 1) if 0 <= index < length else slice(0, 0)
        spans.append(range(length)[index or slice(None)])
    if not all(spans):
        raise ValueError(f"cell {cell} lies outside a grid of {shape[0]} × {shape[1]}, counted from 0")
    return spans[0], spans[1]


def entries(symbol: str, rows: int, columns: int | None = None) -> list[list[str]]:
    """Return the symbols of a matrix, or without ``columns`` of a vector, counted from 1 as in formulas.

    >>> entries("w", 1, 2)
    [['$w_{11}$', '$w_{12}$']]
    >>> entries("x", 2)
    [['$x_{1}$'], ['$x_{2}$']]
    """
    if columns is None:
        return [[f"${symbol}_{{{i + 1}}}$"] for i in range(rows)]
    return [[f"${symbol}_{{{i + 1}{j + 1}}}$" for j in range(columns)] for i in range(rows)]


def number(value: Any, digits: int = 2) -> str:
    """Return a number as the book prints it; text stays as it is.

    >>> number(-0.7000001), number(3.0), number(0.0004), number("$x_2$")
    ('−0.7', '3', '0.0004', '$x_2$')
    """
    if isinstance(value, str):
        return value
    value = float(value)
    if not math.isfinite(value):
        return str(value).replace("inf", "∞").replace("-", "−")
    shown = f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}"
    if float(shown) == 0:
        shown = f"{value:.1g}" if value else "0"
    return shown.replace("-", "−")


def _table(values: Any, digits: int) -> list[list[str]]:
    """Return what a grid writes, as rows of text; a scalar becomes 1 × 1, a vector a column."""
    rows = values.tolist() if hasattr(values, "tolist") else values
    rows = [[rows]] if isinstance(rows, (str, int, float)) else list(rows)
    rows = [list(row) if isinstance(row, (list, tuple)) else [row] for row in rows]
    if not rows or not rows[0] or len({len(row) for row in rows}) > 1:
        raise ValueError(f"a grid needs rows of equal length; got rows of {[len(row) for row in rows]}")
    if any(isinstance(entry, (list, tuple)) for row in rows for entry in row):
        raise ValueError("a grid draws a vector or a matrix; draw the slices of a tensor with tensor()")
    return [[number(entry, digits) for entry in row] for row in rows]


def _points(ax: Axes) -> float:
    """Return how many points one unit of a canvas measures."""
    return 72 * ax.figure.get_figwidth() / (ax.get_xlim()[1] - ax.get_xlim()[0])


def _width(ax: Axes, text: str, size: float) -> float:
    """Return the width of a text in units of the canvas."""
    return max((_line_width(line) for line in text.split("\n")), default=0.0) * size / _points(ax)


@functools.cache
def _line_width(line: str) -> float:
    """Return the width of a line of text, per point of its size."""
    if not line.strip():
        return 0.0
    return TextPath((0, 0), _close_up(line), size=100, prop=FontProperties(**_FONT)).get_extents().width / 100


def write(ax: Axes, at: Point, text: str, kind: str = "ink", size: float = TEXT, align: str = "center") -> Text:
    """Write text or TeX centred on a point, or to its "left" or "right"."""
    side = {"center": "center", "left": "right", "right": "left"}[align]
    return ax.text(*at, text, color=colour(kind), fontsize=size, ha=side, va="center_baseline", zorder=1, **_FONT)


def _place(ax: Axes, wide: float, high: float, at: Point | None, after: Box | None, below: Box | None,
           sign: str, gap: float, margin: tuple[float, float]) -> Point:
    """Return the upper left corner of something new; ``margin`` is what its labels take on the left and above."""
    if at is not None or (after is None and below is None):
        return at or (0.0, 0.0)
    if after is not None and below is not None:
        return below.left, after.top
    if below is not None:
        return below.centre[0] - wide / 2, (below.outer or below).bottom + gap + margin[1]
    assert after is not None
    start, space = (after.outer or after).right, gap + (_width(ax, sign, TEXT + 4) + gap if sign else 0)
    if sign:
        write(ax, (start + space / 2, after.centre[1]), sign, size=TEXT + 4)
    return start + space + margin[0], after.centre[1] - high / 2


def grid(
    ax: Axes,
    values: Any,
    kind: str = "input",
    *,
    at: Point | None = None,
    after: Box | None = None,
    below: Box | None = None,
    sign: str = "",
    gap: float = 0.4,
    lit: Iterable[Cell] | Mapping[Cell, str] = (),
    title: str = "",
    note: str = "",
    rows: Sequence[Any] = (),
    columns: Sequence[Any] = (),
    blocks: tuple[int, int] | None = None,
    digits: int = 2,
    faint_zeros: bool = True,
    wide: float = 1.0,
    cover: bool = False,
) -> Grid:
    """Draw a matrix, or a vector as a column, with its entries.

    Parameters
    ----------
    values : (m, n) or (n,) tensor, array or nested list of numbers, text and TeX; ``[[""] * n] * m`` draws empty cells
    kind : its meaning, see ``PALETTE``
    at : upper left corner; or ``after`` a box (to its right, centred on it), or ``below`` it; with both, in the column
        of the one and the row of the other, as a product is laid out by hand
    sign : written between it and the box it comes ``after``, as "=" or "+"
    lit : cells (i, j) counted from 0 to stand out; (i, None) is a row, (None, j) a column, slices make blocks. A
        mapping from cells to kinds gives each its own colour; "wrong" is dashed
    title, note : above, in the colour of the grid; below, faint
    rows, columns : small labels at the left and above
    blocks : height and width of the blocks that heavier lines tell apart
    digits : decimals at most
    faint_zeros : zeros are faint and their cells untinted, so that a pattern shows; else they are like other entries
    wide : least width of a cell, in units; cells grow with their entries
    cover : hide what is behind

    Returns
    -------
    Grid
        Where it lies: ``.cell(i, j)``, ``.row(i)``, ``.column(j)``, ``.centre``.

    Raises
    ------
    ValueError
        If the rows differ in length, a lit cell lies outside, or labels do not match the shape.

    >>> grid(canvas(), [[0, 1, 2], [3, 4, 5]], lit=[(None, 1)]).cell(1, 2).centre
    (2.5, 1.5)
    """
    table = _table(values, digits)
    m, n = len(table), len(table[0])
    if len(rows) not in (0, m) or len(columns) not in (0, n):
        raise ValueError(f"a grid of {m} × {n} got {len(rows)} row labels and {len(columns)} column labels")
    line = TEXT / _points(ax)
    side = _side(ax, table, wide)
    left = max((_width(ax, str(r), SMALL) for r in rows), default=-0.2) + 0.2
    above = (1.25 * line if title else 0) + (1.1 * line if len(columns) else 0) + (0.15 if title or len(columns) else 0)
    x, y = _place(ax, side * n, m, at, after, below, sign, gap, (left, above))
    box = Grid(x, y, x + side * n, y + m, shape=(m, n))
    extra = max(0.0, (max(_width(ax, title, TEXT + 1), _width(ax, note, SMALL)) - side * n) / 2)
    outer = Box(x - max(left, extra), y - above, box.right + extra, box.bottom + (1.4 * line if note else 0))

    if cover:
        _rectangle(ax, box, facecolor=colour("paper"))
    zero = [[faint_zeros and entry.strip("$") == "0" for entry in row] for row in table]
    for i, row in enumerate(zero):
        for empty, run in itertools.groupby(range(n), row.__getitem__):
            if not empty:
                run = list(run)
                _rectangle(ax, box.cell(i, slice(run[0], run[-1] + 1)), facecolor=colour(kind), alpha=0.13)
    height, width = blocks or (m, n)
    lines = [(k, k % height == 0, True) for k in range(1, m)] + [(k, k % width == 0, False) for k in range(1, n)]
    for k, heavy, across in lines:
        ends = ((x, box.right), (y + k,) * 2) if across else ((x + k * side,) * 2, (y, box.bottom))
        ax.plot(*ends, color=colour(kind if heavy else "faint"), linewidth=1.4 if heavy else 0.6,
                alpha=1 if heavy else 0.6, solid_capstyle="butt", scalex=False, scaley=False, zorder=1)
    _rectangle(ax, box, edgecolor=colour(kind), linewidth=1.4)
    for cell in lit:
        rows_lit, columns_lit = _span(cell, box.shape)
        part, shade = box.cell(*cell), lit[cell] if isinstance(lit, Mapping) else kind
        _rectangle(ax, part, facecolor=colour(shade), alpha=0.22)
        _rectangle(ax, part, edgecolor=colour(shade), linewidth=2.6,
                   linestyle=(0, (2.2, 1.4)) if shade == "wrong" else "-")
        for i, j in itertools.product(rows_lit, columns_lit):
            zero[i][j] = False  # what stands out is written in ink, even a zero

    for i, row in enumerate(table):
        for j, entry in enumerate(row):
            if entry:
                write(ax, box.cell(i, j).centre, entry, "faint" if zero[i][j] else "ink")
    for i, label in enumerate(rows):
        write(ax, (x - 0.15, y + i + 0.5), str(label), "faint", SMALL, "left")
    for j, label in enumerate(columns):
        write(ax, (box.cell(0, j).centre[0], y - 0.6 * line - 0.05), str(label), "faint", SMALL)
    if title:
        write(ax, (box.centre[0], y - above + 0.6 * line), title, kind, TEXT + 1)
    if note:
        write(ax, (box.centre[0], box.bottom + 0.9 * line), note, "faint", SMALL)
    return replace(box, outer=outer)


def _side(ax: Axes, table: list[list[str]], least: float = 1.0) -> float:
    """Return how wide the cells of a grid are, so that the longest entry has room."""
    return max(least, max(_width(ax, entry, TEXT) for row in table for entry in row) + 0.7 * TEXT / _points(ax))


def _rectangle(ax: Axes, box: Box, **style: Any) -> None:
    style = {"facecolor": "none", "edgecolor": "none", "linewidth": 0, "joinstyle": "round"} | style
    ax.add_patch(Rectangle((box.left, box.top), box.right - box.left, box.bottom - box.top, **style))


def tensor(ax: Axes, slices: Any, kind: str = "gradient", *, at: Point = (0.0, 0.0), depth: float = 0.55,
           titles: Sequence[str] = (), lit: Iterable[Cell] = (), digits: int = 2) -> list[Grid]:
    """Draw the slices of a 3-D tensor behind each other, the first one in front, each ``depth`` cells further back.

    What lies behind shows its upper and right edge only: to read every entry, draw a `grid` for each slice instead.
    ``lit`` are cells of the front slice; ``titles`` are written at the right of the slices.
    """
    tables = [_table(matrix, digits) for matrix in slices]
    if not tables or len({(len(table), len(table[0])) for table in tables}) > 1:
        raise ValueError("the slices of a tensor all have one shape, and there is at least one")
    if len(titles) not in (0, len(tables)):
        raise ValueError(f"{len(tables)} slices got {len(titles)} titles")
    drawn, wide = [], _side(ax, tables[0])
    for k in reversed(range(len(tables))):
        shown = tables[k] if k == 0 else [[""] * len(row) for row in tables[k]]
        corner = (at[0] + k * depth, at[1] - k * depth)
        drawn.append(grid(ax, shown, kind, at=corner, lit=lit if k == 0 else (), wide=wide, cover=True))
        if titles:
            write(ax, (drawn[-1].right + 0.2, drawn[-1].bottom - 0.25), titles[k], kind, SMALL, "right")
    return drawn[::-1]


def memory(ax: Axes, values: Any, order: Literal["row", "column"] = "row", kind: str = "weight", *, title: str = "",
           at: Point = (0.0, 0.0), below: Box | None = None, digits: int = 2) -> tuple[Grid, Grid]:
    """Draw a matrix above the line of memory that holds it row by row, or column by column.

    Small numbers give the place of each entry in memory; heavier lines part what was one row (or column).

    Returns
    -------
    (Grid, Grid)
        The matrix and the line.
    """
    if order not in ("row", "column"):
        raise ValueError(f'order is "row" or "column"; got {order!r}')
    table = _table(values, digits)
    m, n = len(table), len(table[0])
    cells = [(i, j) for i in range(m) for j in range(n)]
    along, length = (cells, n) if order == "row" else (sorted(cells, key=lambda cell: cell[::-1]), m)
    place: dict[str, Any] = {"at": at} if below is None else {"below": below, "gap": 0.9}
    matrix = grid(ax, table, kind, title=title, digits=digits, faint_zeros=False, **place)
    row = [[table[i][j] for i, j in along]]
    line = grid(ax, row, kind, below=matrix, gap=0.9, blocks=(1, length), digits=digits, faint_zeros=False)
    for k in range(0, m * n // length, 2):  # every other row (or column) is darker, here and there
        stretch = line.cell(0, slice(k * length, (k + 1) * length))
        for part in (matrix.row(k) if order == "row" else matrix.column(k), stretch):
            _rectangle(ax, part, facecolor=colour(kind), alpha=0.16)
    for place, (i, j) in enumerate(along):
        inside = matrix.cell(i, j)
        write(ax, (inside.left + 0.1, inside.top + 0.22), str(place), "ink", 10.5, "right")
        write(ax, (line.cell(0, place).centre[0], line.bottom + 0.3), str(place), "faint", SMALL)
    for k in range(m * n // length):  # how the matrix is read
        strip = matrix.row(k) if order == "row" else matrix.column(k)
        x, y = (strip.left - 0.6, strip.centre[1]) if order == "row" else (strip.centre[0], strip.bottom + 0.15)
        arrow(ax, (x, y), (x + 0.5, y) if order == "row" else (x, y + 0.5), "faint", width=1.2)
    return matrix, line


def box(ax: Axes, text: str, kind: str = "ink", *, at: Point | None = None, after: Box | None = None,
        below: Box | None = None, gap: float = 0.9) -> Box:
    """Draw a rounded box with text in it, placed as a `grid` is: a step of a computation."""
    line, lines = TEXT / _points(ax), text.count("\n") + 1
    wide, high = max(1.1, _width(ax, text, TEXT) + 1.1 * line), max(0.9, 1.3 * line * lines + 0.7 * line)
    x, y = _place(ax, wide, high, at, after, below, "", gap, (0, 0))
    shape = dict(boxstyle="round,pad=0,rounding_size=0.12", mutation_aspect=1)
    ax.add_patch(FancyBboxPatch((x, y), wide, high, facecolor=colour(kind), edgecolor="none", alpha=0.1, **shape))
    ax.add_patch(FancyBboxPatch((x, y), wide, high, facecolor="none", edgecolor=colour(kind), linewidth=1.4, **shape))
    ax.text(x + wide / 2, y + high / 2, text, color=colour("ink"), fontsize=TEXT, ha="center",
            va="center_baseline" if lines == 1 else "center", linespacing=1.3, **_FONT)
    return Box(x, y, x + wide, y + high)


def arrow(ax: Axes, start: Point | Box, end: Point | Box, kind: str = "ink", label: str = "", *, bend: float = 0.0,
          shift: float = 0.0, width: float = 1.8, under: bool = False) -> None:
    """Draw an arrow between points or boxes, with a label above it or, if ``under``, below it.

    ``bend`` curves it, ``shift`` moves it sideways (downwards) by so many units. A "wrong" arrow is dashed.
    """
    first, last = (p.centre if isinstance(p, Box) else (float(p[0]), float(p[1])) for p in (start, end))
    tail, tip = _edge(start, last), _edge(end, first)
    flat = abs(tip[0] - tail[0]) >= abs(tip[1] - tail[1])
    tail, tip = (((x, y + shift) if flat else (x + shift, y)) for x, y in (tail, tip))
    ax.add_patch(
        FancyArrowPatch(tail, tip, arrowstyle="-|>,head_length=0.45,head_width=0.22", mutation_scale=14,
                        shrinkA=0, shrinkB=0, connectionstyle=f"arc3,rad={bend}", color=colour(kind), linewidth=width,
                        capstyle="butt", joinstyle="miter", zorder=3,
                        linestyle=(0, (3, 1.6)) if kind == "wrong" else "-")
    )
    dx, dy, way = tip[0] - tail[0], tip[1] - tail[1], -0.5 * bend if ax.axison else 0.5 * bend
    middle = (tail[0] + tip[0]) / 2 - way * dy, (tail[1] + tip[1]) / 2 + way * dx
    offset = -7 if under else 7
    if flat:
        _name(ax, label, middle, (0, offset), kind, ha="center", va="top" if under else "bottom")
    else:
        _name(ax, label, middle, (offset, 0), kind, ha="right" if under else "left", va="center")


def _edge(place: Point | Box, toward: Point, pad: float = 0.1) -> Point:
    """Return where an arrow that comes from ``toward`` touches a box."""
    if not isinstance(place, Box):
        return float(place[0]), float(place[1])
    (x, y), half_w, half_h = place.centre, (place.right - place.left) / 2 + pad, (place.bottom - place.top) / 2 + pad
    dx, dy = toward[0] - x, toward[1] - y
    reach = min(half_w / abs(dx) if dx else math.inf, half_h / abs(dy) if dy else math.inf)
    return (x, y) if math.isinf(reach) else (x + dx * reach, y + dy * reach)


def flow(ax: Axes, steps: Sequence[str | tuple[str, str]], forward: Sequence[str] = (), backward: Sequence[str] = (), *,
         at: Point = (0.0, 0.0), gap: float = 1.3) -> list[Box]:
    """Draw a chain of boxes with the forward pass above and, below it, the gradients coming back.

    Parameters
    ----------
    steps : texts, or (text, kind) pairs
    forward, backward : labels of the arrows between them, one fewer than the steps; without ``backward`` none goes back

    Raises
    ------
    ValueError
        If the number of labels does not fit.
    """
    for labels in (forward, backward):
        if len(labels) not in (0, len(steps) - 1):
            raise ValueError(f"{len(steps)} steps have {len(steps) - 1} arrows between them; got {len(labels)} labels")
    boxes: list[Box] = []
    for k, step in enumerate(steps):
        text, kind = (step, "ink") if isinstance(step, str) else step
        between = [labels[k - 1] for labels in (forward, backward) if labels and k]
        room = max([gap, *(_width(ax, label, TEXT) + 0.5 for label in between)])
        place: dict[str, Any] = {"after": boxes[-1], "gap": room} if boxes else {"at": at}
        boxes.append(box(ax, text, kind, **place))
    apart = 0.17 if backward else 0.0
    for k, (one, two) in enumerate(zip(boxes, boxes[1:])):
        arrow(ax, one, two, "ink", forward[k] if forward else "", shift=-apart)
        if backward:
            arrow(ax, two, one, "gradient", backward[k], shift=apart, under=True)
    return boxes


# --- on axes ----------------------------------------------------------------------------------------------------------


def vector(ax: Axes, tip: Point, tail: Point = (0.0, 0.0), kind: str = "input", label: str = "", *,
           beside: bool = False, width: float = 2.2) -> None:
    """Draw a plane vector on `axes`, its label beyond the tip or ``beside`` its middle. A "wrong" one is dashed."""
    tip, tail = (float(tip[0]), float(tip[1])), (float(tail[0]), float(tail[1]))
    arrow(ax, tail, tip, kind, width=width)
    ax.update_datalim([tail, tip])
    ax.autoscale_view()
    dx, dy = tip[0] - tail[0], tip[1] - tail[1]
    anchor, (dx, dy) = (((tip[0] + tail[0]) / 2, (tip[1] + tail[1]) / 2), (-dy, dx)) if beside else (tip, (dx, dy))
    far = 9 / (math.hypot(dx, dy) or 1.0)
    side = "left" if dx > 0.3 * abs(dy) else "right" if dx < -0.3 * abs(dy) else "center"
    ground = {"facecolor": colour("paper"), "edgecolor": "none", "pad": 0.5, "alpha": 0.8}  # over level lines
    _name(ax, label, anchor, (dx * far, dy * far), kind, ha=side, va="center", bbox=ground)


def curve(ax: Axes, x: Any, y: Any, kind: str = "output", label: str = "", style: str = "", *, lift: float = 0.0,
          **more: Any) -> None:
    """Draw a curve with its name at its right end, in place of a legend; a "wrong" one is dashed.

    ``style`` and ``more`` go to matplotlib's ``plot``; ``lift`` raises the name by so many points, off a neighbour's.
    """
    x, y = ([float(v) for v in values] for values in (x, y))
    if len(x) != len(y) or not x:
        raise ValueError(f"a curve needs as many x as y, and at least one; got {len(x)} and {len(y)}")
    ax.plot(x, y, style or ("--" if kind == "wrong" else "-"), **{"linewidth": 2.2, "color": colour(kind)} | more)
    _name(ax, label, (x[-1], y[-1]), (7, lift), kind, va="center")


def _name(ax: Axes, text: str, point: Point, offset: Point, kind: str, **style: Any) -> None:
    """Write a label some points away from a point."""
    if text:
        ax.annotate(text, point, offset, textcoords="offset points", color=colour(kind), fontsize=TEXT,
                    annotation_clip=False, **style, **_FONT)


def contours(ax: Axes, function: Callable[[np.ndarray, np.ndarray], Any], reach: float = 2.0, levels: Any = 8) -> None:
    """Draw the level lines of ``function(x, y)``, which takes whole arrays, for |x|, |y| ≤ ``reach``."""
    x, y = np.meshgrid(*[np.linspace(-reach, reach, 61)] * 2)
    ax.contour(x, y, np.asarray(function(x, y)), levels, colors=[colour("faint")], linewidths=0.8, linestyles="solid")
