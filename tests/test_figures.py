"""The drawing kit: what is drawn is there, follows the theme, reads on a phone and aloud, and is the same each time."""

import doctest
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import FancyArrowPatch

from utils import figures, theme
from utils.figures import (arrow, axes, box, canvas, colour, contours, css, curve, entries, flow, grid, memory, number,
                           panels, show, tensor, vector, write)
from utils.theme import PALETTE

ALT = "What the figure shows"
ON_PAGE = {"light": "#ffffff", "dark": "#14181e"}
sizes = st.integers(1, 4)


def product():
    ax = canvas()
    w = grid(ax, [[0.5, -0.3, 0], [0.2, 0.8, -0.1]], "weight", title=r"$\mathbf{W}$", note="2 × 3", lit=[(0, None)])
    x = grid(ax, [1.3, 0.9, -0.7], "input", title=r"$\mathbf{x}$", after=w)
    grid(ax, [0.24, 1.05], "output", after=x, sign="=", lit={(0, 0): "wrong"})
    return ax


def passes():
    ax = canvas()
    flow(ax, [("$x$", "input"), "$a$", ("$L$", "output")], forward=["", "$a$"], backward=["$J_x$", "$J_a$"])
    return ax


def plane():
    ax = axes(4, 4, equal=True)
    contours(ax, lambda u, v: 2 * u * u + u * v + v * v)
    vector(ax, (1, 0.5), kind="gradient", label=r"$\mathbf{A}^\top\mathbf{x}$")
    vector(ax, (0.5, 1), kind="wrong", label="no", beside=True)
    return ax


def curves():
    left, right = panels(2)
    curve(left, [1, 10, 100], [1e-3, 1e-2, 1e-1], "output", "linear", "o-")
    left.set(xscale="log", yscale="log", xlabel="$n$", ylabel="seconds")
    curve(right, np.linspace(-2, 2, 41), np.maximum(0, np.linspace(-2, 2, 41)))
    right.plot([0], [0], "o", markerfacecolor=colour("paper"), markeredgecolor=colour("ink"))
    return [left, right]


def lines_of_memory():
    ax = canvas()
    _, line = memory(ax, entries("w", 2, 3), "column", title="column-major")
    tensor(ax, torch.ones(3, 2, 4), titles=["1", "2", "3"], at=(3.6, 0.4))
    arrow(ax, box(ax, "below", below=line), (5, 5), label="here", bend=0.2)
    return ax


DRAWINGS = [product, passes, plane, curves, lines_of_memory]
drawings = pytest.mark.parametrize("draw", DRAWINGS)


def contrast(one, other):
    """The contrast ratio of WCAG 2, of two colours given as (r, g, b) between 0 and 1."""

    def luminance(rgb):
        return sum(w * (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
                   for w, c in zip((0.2126, 0.7152, 0.0722), rgb))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def rgb(hexcode):
    return np.array([int(hexcode[k : k + 2], 16) / 255 for k in (1, 3, 5)])


def texts(ax):
    return [text.get_text() for text in ax.texts]


# --- the page ---------------------------------------------------------------------------------------------------------


@drawings
def test_a_figure_is_well_formed_inline_svg_with_one_name_that_grows_and_shrinks_with_its_place(draw):
    page = show(draw(), ALT)._repr_html_()
    picture = ElementTree.fromstring(page)
    parts = picture.findall("{*}svg")
    named = parts[0] if len(parts) == 1 else picture
    assert named.get("role") == "img" and named.get("aria-label") == ALT
    assert all(part.get("aria-hidden") == "true" for part in parts if part is not named)
    assert all(part.get("viewBox") and part.get("height") is None for part in parts)
    assert not re.search(r"<(style|script|image|metadata|title|\?xml|!)|\sstyle=|xlink", page)
    assert len(page) < 25_000


@drawings
def test_no_colour_is_left_that_does_not_follow_the_theme(draw):
    svg = show(draw(), ALT).svg
    assert "#" not in re.sub(r'var\(--mc-[a-z]+,.*?#[0-9a-f]{6}\)+(?=")|href="#[\w-]+"|url\(#[\w-]+\)', "", svg)


@drawings
def test_every_variable_that_a_figure_uses_is_defined_for_light_dark_and_print(draw):
    light, dark, paper = (set(re.findall(r"(--mc-\w+):", block)) for block in re.findall(r"\{ (--mc.*?) \}", css()))
    used = set(re.findall(r"var\((--mc-\w+)", show(draw(), ALT).svg))
    assert used and used <= light == dark == paper


def test_outside_the_book_a_figure_has_the_colours_of_the_light_page():
    fallbacks = dict(re.findall(r"var\(--mc-(\w+),(#\w+)\)", show(product(), ALT).svg))
    assert fallbacks == {kind: PALETTE[kind].light for kind in ("input", "weight", "output", "wrong", "faint")}


@pytest.mark.parametrize("page", ON_PAGE)
@pytest.mark.parametrize("kind", [kind for kind in PALETTE if kind != "paper"])
def test_every_colour_is_legible_as_text_on_the_page(kind, page):
    assert contrast(rgb(getattr(PALETTE[kind], page)), rgb(ON_PAGE[page])) >= 4.5


@pytest.mark.parametrize("page", ON_PAGE)
@pytest.mark.parametrize("kind", [kind for kind in PALETTE if kind != "paper"])
def test_entries_are_legible_in_cells_that_are_lit(kind, page):
    ground, tint = rgb(ON_PAGE[page]), rgb(getattr(PALETTE[kind], page))
    for alpha in (0.13, 0.22):
        ground = alpha * tint + (1 - alpha) * ground
    assert contrast(rgb(PALETTE["ink"]._asdict()[page]), ground) >= 4.5


def test_the_contrast_that_these_tests_compute_is_that_of_the_standard():
    assert contrast(rgb("#000000"), rgb("#ffffff")) == pytest.approx(21)
    assert contrast(rgb("#777777"), rgb("#ffffff")) == pytest.approx(4.48, abs=0.01)


def test_no_two_meanings_have_the_same_colour():
    for page in ON_PAGE:
        for one, other in itertools.combinations(PALETTE.values(), 2):
            assert np.abs(rgb(getattr(one, page)) - rgb(getattr(other, page))).max() > 0.15


def test_a_colour_that_is_not_of_the_book_is_refused():
    ax = axes()
    ax.plot([0, 1], [0, 1], color="#123456")
    with pytest.raises(ValueError, match="#123456 is no colour of the book"):
        show(ax, ALT)
    with pytest.raises(ValueError, match="no colour 'blue'"):
        colour("blue")


def test_pixels_are_refused():
    ax = axes()
    ax.imshow(np.eye(2))
    with pytest.raises(ValueError, match="no pixels"):
        show(ax, ALT)


@pytest.mark.parametrize("alt", ["", "   ", "figure"])
def test_a_figure_without_a_description_is_refused(alt):
    with pytest.raises(ValueError, match="alternative text"):
        show(product(), alt)


def test_the_description_is_escaped_in_the_page_and_plain_in_a_terminal():
    alt = 'x < y & "z" <script>'
    picture = show(product(), alt)
    assert "<script>" not in picture._repr_html_()
    assert ElementTree.fromstring(picture.svg).get("aria-label") == alt
    assert repr(picture) == f"Figure: {alt}"


# --- the same each time, and apart from each other --------------------------------------------------------------------


@drawings
def test_the_same_drawing_gives_the_same_bytes(draw):
    assert show(draw(), ALT) == show(draw(), ALT)


def test_another_process_with_another_hash_seed_gives_the_same_bytes_and_loads_no_pyplot():
    code = (
        "import sys; from tests.test_figures import *\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "print(''.join(show(draw(), ALT).svg for draw in DRAWINGS), end='')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8",
                         cwd=Path(__file__).parents[1], env=os.environ | {"PYTHONHASHSEED": "7", "PYTHONUTF8": "1"})
    assert run.returncode == 0, run.stderr
    assert run.stdout == "".join(show(draw(), ALT).svg for draw in DRAWINGS)


def test_the_ids_on_a_page_are_unique_and_every_reference_finds_its_own():
    pages = [show(draw(), ALT).svg for draw in DRAWINGS] + [show(product(), "The same with other words").svg]
    ids = [re.findall(r'\sid="([^"]+)"', page) for page in pages]
    assert all(ids) and len(set(sum(ids, []))) == len(sum(ids, []))
    for page, own in zip(pages, ids):
        assert set(re.findall(r'(?:href="|url\()#([\w-]+)', page)) == set(own)


def test_the_readers_own_matplotlib_settings_change_nothing_and_stay_unchanged():
    expected = show(curves(), ALT)
    with matplotlib.rc_context({"font.size": 30, "font.family": "DejaVu Sans", "mathtext.fontset": "cm",
                                "svg.hashsalt": "other", "axes.labelsize": 3}):
        before = dict(matplotlib.rcParams)
        assert show(curves(), ALT) == expected
        assert dict(matplotlib.rcParams) == before


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_picture_too_wide_for_a_phone_is_refused():
    fits, too_wide = canvas(), canvas()
    grid(fits, [[""] * 12], note="as many as fit")
    grid(too_wide, [[""] * 14], note="too many")
    assert show(fits, ALT)
    with pytest.raises(ValueError, match="too small on a phone.*stack the parts"):
        show(too_wide, ALT)


def test_an_empty_canvas_is_refused():
    with pytest.raises(ValueError, match="nothing was drawn"):
        show(canvas(), ALT)


@drawings
def test_every_text_lies_inside_the_picture(draw):
    for svg in ElementTree.fromstring(show(draw(), ALT)._repr_html_()):
        _, _, width, height = map(float, svg.get("viewBox").split())
        letters = [g.get("transform", "") for g in svg.findall(".//{*}g")]
        places = [re.match(r"translate\((\S+) (\S+)\)", letter) for letter in letters]
        assert any(places)
        for place in filter(None, places):
            assert 0 <= float(place[1]) <= width and 0 <= float(place[2]) <= height


# --- grids ------------------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(m=sizes, n=sizes)
def test_every_entry_is_written_in_the_middle_of_its_cell(m, n):
    ax, values = canvas(), [[f"{i}-{j}" for j in range(n)] for i in range(m)]
    drawn = grid(ax, values)
    assert {text.get_text(): text.get_position() for text in ax.texts} == {
        values[i][j]: drawn.cell(i, j).centre for i in range(m) for j in range(n)
    }


def test_titles_notes_and_labels_are_written():
    ax = canvas()
    grid(ax, [[1, 2]], title="T", note="N", rows=["r"], columns=["c", "d"])
    assert texts(ax) == ["1", "2", "r", "c", "d", "T", "N"]


@pytest.mark.parametrize("given_as", [torch.tensor, np.array, list, tuple])
def test_tensors_arrays_and_lists_are_drawn_alike(given_as):
    ax = canvas()
    assert grid(ax, given_as([[1.3, -0.7]])).shape == (1, 2) and texts(ax) == ["1.3", "−0.7"]


def test_a_vector_is_a_column():
    assert grid(canvas(), torch.tensor([1.0, 2.0, 3.0])).shape == (3, 1)


@given(st.floats(-1e6, 1e6), st.integers(0, 5))
def test_a_printed_number_is_the_number_to_its_digits(value, digits):
    shown = float(number(value, digits).replace("−", "-"))
    assert shown == pytest.approx(value, abs=0.5000001 * 10.0**-digits)
    assert (shown == 0) == (value == 0)


def test_zeros_are_faint_unless_lit_or_meant_as_numbers():
    ax = canvas()
    grid(ax, [[0, 0, 1]], lit=[(0, 0)])
    grid(ax, [[0]], faint_zeros=False)
    assert [text.get_color() for text in ax.texts] == [colour(k) for k in ("ink", "faint", "ink", "ink")]


def test_a_cell_grows_with_its_entry():
    short, long = grid(canvas(), [["1"]]), grid(canvas(), [["−0.123456"]])
    assert short.right == 1 and long.right > 1.5


@settings(max_examples=30)
@given(m=sizes, n=sizes, p=sizes)
def test_grids_after_and_below_each_other_do_not_overlap(m, n, p):
    ax = canvas()
    first = grid(ax, [[1] * n] * m, title="first", note="note")
    second = grid(ax, [[1] * p] * n, after=first, sign="=", rows=["row"] * n)
    third = grid(ax, [[1] * p] * p, below=first, title="third")
    corner = grid(ax, [[1] * p] * p, after=third, below=second)
    assert first.outer.right < second.outer.left
    assert second.centre[1] == pytest.approx(first.centre[1])
    assert first.outer.bottom < third.outer.top
    assert (corner.left, corner.top) == (second.left, third.top)


def test_the_front_slice_of_a_tensor_covers_what_is_behind():
    ax = canvas()
    behind = tensor(ax, torch.ones(2, 2, 3))[1]
    cover = [patch for patch in ax.patches if patch.get_facecolor()[:3] == (1, 1, 1)]
    assert [(p.get_x(), p.get_y()) for p in cover] == [(behind.left, behind.top), (0, 0)]
    assert {artist.get_zorder() for artist in (*ax.patches, *ax.lines, *ax.texts)} == {1}  # later covers earlier


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda ax: grid(ax, [[1, 2], [3]]), "rows of equal length"),
        (lambda ax: grid(ax, []), "rows of equal length"),
        (lambda ax: grid(ax, torch.ones(2, 2, 2)), "slices of a tensor"),
        (lambda ax: grid(ax, [[1, 2]], lit=[(1, 0)]), "outside a grid of 1 × 2"),
        (lambda ax: grid(ax, [[1, 2]], lit=(0, 1)), "a cell is a pair"),
        (lambda ax: grid(ax, [[1, 2]], columns=["a"]), "1 column labels"),
        (lambda ax: grid(ax, [[1, 2]], "blue"), "no colour 'blue'"),
        (lambda ax: memory(ax, [[1]], "C"), '"row" or "column"'),
        (lambda ax: tensor(ax, [[[1]], [[1, 2]]]), "one shape"),
        (lambda ax: tensor(ax, [[[1]]], titles=["a", "b"]), "1 slices got 2 titles"),
        (lambda ax: flow(ax, ["a", "b"], forward=["1", "2"]), "2 steps have 1 arrows"),
        (lambda ax: curve(ax, [1, 2], [1]), "as many x as y"),
    ],
)
def test_bad_input_is_answered_with_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        call(canvas())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("order", "numpy_order"), [("row", "C"), ("column", "F")])
@settings(max_examples=30)
@given(m=sizes, n=sizes)
def test_the_line_of_memory_holds_the_matrix_in_its_order(order, numpy_order, m, n):
    ax, values = canvas(), np.arange(100, 100 + m * n).reshape(m, n)
    _, line = memory(ax, values, order)
    at = {text.get_position(): text.get_text() for text in ax.texts}
    shown = [at[line.cell(0, k).centre] for k in range(m * n)]
    assert shown == [str(v) for v in values.flatten(order=numpy_order)]


# --- arrows -----------------------------------------------------------------------------------------------------------


def test_an_arrow_between_boxes_starts_and_ends_outside_of_them():
    ax = canvas()
    one = box(ax, "one")
    two = box(ax, "two", after=one)
    arrow(ax, one, two)
    path = next(patch for patch in ax.patches if isinstance(patch, FancyArrowPatch))
    (start, _), (end, _) = path._posA_posB
    assert one.right < start < end < two.left


def test_a_mistake_is_never_told_by_colour_alone():
    ax = canvas()
    arrow(ax, (0, 0), (1, 0), "wrong")
    arrow(ax, (0, 1), (1, 1), "gradient")
    assert [patch.get_linestyle() == "-" for patch in ax.patches] == [False, True]
    assert show(ax, ALT).svg.count("stroke-dasharray") == 1
    lit = canvas()
    grid(lit, [[1, 2]], lit={(0, 0): "wrong"})
    assert show(lit, ALT).svg.count("stroke-dasharray") == 1
    plot = axes()
    curve(plot, [0, 1], [0, 1], "wrong")
    assert show(plot, ALT).svg.count("stroke-dasharray") == 1


def test_the_backward_pass_runs_below_the_forward_pass_and_the_other_way():
    ax = canvas()
    flow(ax, ["a", "b"], backward=["J"])
    forward, backward = (patch._posA_posB for patch in ax.patches if isinstance(patch, FancyArrowPatch))
    assert forward[0][0] < forward[1][0] and backward[0][0] > backward[1][0]
    assert backward[0][1] > forward[0][1]


def test_text_can_be_written_anywhere():
    ax = canvas()
    write(ax, (1, 2), "✗", "wrong")
    assert show(ax, ALT).svg.count("<use") == 1


@pytest.mark.parametrize("module", [figures, theme])
def test_the_examples_in_the_docstrings_are_true(module):
    failed, attempted = doctest.testmod(module)
    assert attempted and not failed
