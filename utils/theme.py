"""From matplotlib's SVG to a figure inside the page: colours with one meaning that follow the theme, and small markup.

The chapters need `utils.figures` only, which draws with these colours and finishes its figures here.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple
from xml.etree import ElementTree


class Colour(NamedTuple):
    """A colour on the light page, the same on the dark page, and what it means wherever it is used."""

    light: str
    dark: str
    meaning: str


PALETTE: dict[str, Colour] = {
    "input": Colour("#0b5a9e", "#6ab7f5", "what goes in: x, X"),
    "weight": Colour("#b25408", "#f0a04b", "what is learned: W, A, b"),
    "output": Colour("#047a5f", "#4fc9a4", "what comes out: y, Y, L"),
    "gradient": Colour("#ad2c8c", "#ec8ad9", "gradients and cotangents"),
    "wrong": Colour("#c8102e", "#ff7a72", "mistakes, always dashed or crossed as well"),
    "faint": Colour("#6b7280", "#94a0ae", "zeros, grid lines, remarks"),
    "ink": Colour("#1b1b1d", "#ced6dd", "text and lines; drawn in the text colour of the page"),
    "paper": Colour("#ffffff", "#14181e", "the page itself, where something must cover what is behind it"),
}


def colour(kind: str) -> str:
    """Return the colour with this meaning, for any matplotlib call.

    >>> colour("input")
    '#0b5a9e'
    """
    if kind not in PALETTE:
        raise ValueError(f"there is no colour {kind!r}; the kinds are {', '.join(PALETTE)}")
    return PALETTE[kind].light


def css() -> str:
    """Return the style sheet that gives the figures of a page their colours: light, dark and printed."""

    def variables(theme: Literal["light", "dark"]) -> str:
        return " ".join(f"--mc-{kind}: {getattr(c, theme)};" for kind, c in PALETTE.items() if kind != "ink")

    return f"""\
:root {{ {variables("light")} }}
html[data-theme="dark"] {{ {variables("dark")} }}
@media print {{
  html[data-theme] {{ {variables("light")} }}
  .mc-figure {{ color: {PALETTE["ink"].light}; break-inside: avoid; }}
}}
.mc-figure {{ margin: 0 auto; text-align: center; }}
html[data-theme="dark"] .bd-content div.cell_output div.text_html:has(> div.mc-figure) {{
  background: none; color: inherit; padding: 0;  /* the theme lays a light ground under notebook output */
}}
.mc-figure svg {{ max-width: 100%; height: auto; vertical-align: bottom; }}
"""


def _themed(hexcode: str) -> str:
    """Return what the page is told instead of a colour of the palette."""
    kind = next((kind for kind, c in PALETTE.items() if c.light == hexcode.lower()), None)
    if kind is None and hexcode != "#000000":
        raise ValueError(f"{hexcode} is no colour of the book: use colour({', '.join(map(repr, PALETTE))})")
    if kind in (None, "ink"):
        return "currentColor"
    if kind == "paper":  # notebooks name their own background
        return "var(--mc-paper,var(--jp-layout-color0,var(--vscode-editor-background,#ffffff)))"
    return f"var(--mc-{kind},{hexcode.lower()})"


@dataclass(frozen=True)
class Picture:
    """A finished figure: SVG for the page, one or several side by side, and a sentence for those who cannot see it."""

    svg: str
    alt: str

    def _repr_html_(self) -> str:
        # Several panels are one picture to those who hear the page.
        name = "" if "aria-label" in self.svg else f' role="img" aria-label="{html.escape(self.alt)}"'
        return f'<div class="mc-figure"{name}>{self.svg}</div>'

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"


def tidy(svg: str, alt: str) -> str:
    """Return matplotlib's SVG for use inside a page: themed, small, with ids that no other figure has, and named by
    ``alt``; without one it is a part of a picture that has a name."""
    root = ElementTree.fromstring(re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href"))
    if root.find(".//image") is not None:
        raise ValueError("a figure of the book holds lines and text, no pixels: imshow cannot follow the theme")
    prefix = "f" + hashlib.sha256((svg + alt).encode()).hexdigest()[:7]
    used = dict.fromkeys(re.findall(r'(?:href="|url\()#([^")]+)', svg))
    names = {old: f"{prefix}-{number}" for number, old in enumerate(used)}
    for parent in root.iter():
        for child in list(parent):
            unseen = child.tag == "path" and child.get("style") == "fill: none"
            if child.tag in ("style", "metadata") or unseen:
                parent.remove(child)
    for node in root.iter():
        for item in filter(None, node.attrib.pop("style", "").split(";")):
            key, value = (part.strip() for part in item.split(":", 1))
            node.set(key, value)
        if node.get("transform") == "scale(0.015625)":  # a letter, in 6400 units to the em: 800 are enough
            node.set("transform", "scale(.125)")
            node.set("d", re.sub(r"-?\d+", lambda n: str(round(int(n[0]) / 8)), node.get("d", "")))
        if node.get("fill", "none") != "none":
            node.attrib.pop("stroke-dasharray", None)  # the head of a dashed arrow is whole
        for key, value in list(node.attrib.items()):
            node.set(key, _short(node, key, value, names))
        if node.get("id") == "":
            del node.attrib["id"]
        node.text = node.tail = None
    name = f'role="img" aria-label="{html.escape(alt)}"' if alt else 'aria-hidden="true"'
    left, top, width, height = root.get("viewBox").split()
    body = "".join(_serial(child) for child in root)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {name} '
        f'viewBox="{left} {top} {width} {height}" width="{float(width) * 4 / 3:.0f}" '
        f'fill="currentColor" stroke-linejoin="round">{body}</svg>'
    )


def _short(node: ElementTree.Element, key: str, value: str, names: Mapping[str, str]) -> str:
    """Return an attribute with its colour themed, its reference renamed, or its numbers rounded."""
    if key == "id":
        return names.get(value, "")
    if "#" in value and (reference := re.search(r"#([^)]+)", value)) and reference[1] in names:
        return value.replace(reference[1], names[reference[1]])
    if value.startswith("#"):
        return _themed(value)
    if key in ("d", "transform", "viewBox", "x", "y", "width", "height") or key.startswith("stroke-"):
        places = 4 if "scale" in value else 2
        value = re.sub(r"-?\d+\.\d+", lambda n: f"{round(float(n[0]), places) + 0.0:g}", value)
        value = re.sub(r"\s*([A-Za-z])\s*", r"\1", value.strip()) if key == "d" else value
    return value


def _serial(node: ElementTree.Element) -> str:
    """Return an element as text, leaving out groups that say nothing."""
    inside = "".join(map(_serial, node))
    if node.tag in ("g", "defs") and not inside:
        return ""
    if node.tag == "g" and not node.attrib:
        return inside
    attributes = "".join(f' {key}="{html.escape(value)}"' for key, value in node.attrib.items())
    return f"<{node.tag}{attributes}>{inside}</{node.tag}>" if inside else f"<{node.tag}{attributes}/>"
