"""Formulas in plain characters, for places that hold text only: results of the search, names of buttons."""

from __future__ import annotations

import re
import unicodedata

from docutils import nodes

SIGNS = {
    "top": "ᵀ", "odot": "⊙", "otimes": "⊗", "partial": "∂", "times": "×", "to": "→", "sum": "Σ", "sqrt": "√", "cdot": "·",
    "varepsilon": "ε", "lVert": "‖", "rVert": "‖", "ne": "≠", "le": "≤", "ge": "≥", "colon": ":", "mathbf": "", "boldsymbol": "", "mathrm": "", "operatorname": "", "left": "", "right": "",
}  # fmt: skip
ACCENT = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303", "dot": "\u0307"}
PIECE = r"(?:\{([^{}]*)\}|([^{}]))"


def plain(tex: str) -> str:
    r"""Write a formula in plain characters.

    >>> plain(r"\mathbf J_{\mathbf W}=\mathbf X^\top\mathbf J_{\mathbf Y}")
    'J_W = XᵀJ_Y'
    >>> plain(r"\frac{1}{mu}\hat{\mathbf a}\odot\operatorname{vec}_r(\mathbf B)")
    '1/(mu) â ⊙ vec_r(B)'
    """
    tex = re.sub(rf"\\(?!frac|{'|'.join(ACCENT)})([A-Za-z]+)\s*", _sign, re.sub(r"\\[,;! ]|\^\s*(?=\\top)", "", tex))
    for name, mark in ACCENT.items():
        tex = re.sub(rf"\\{name}(?:\{{(\w)\}}|\s*(\w))", lambda m: unicodedata.normalize("NFC", (m[1] or m[2]) + mark), tex)
    tex = re.sub(r"\s+", "", tex)
    tex = re.sub(r"\{(\w+)\}(?=[_(])", r"\1", tex)
    tex = re.sub(r"([_^])(?:\{([^{}]*)\}|(\w))(?=([A-Za-z0-9âδ∂]?))", lambda m: m[1] + (m[2] or m[3]) + " " * bool(m[4]), tex)
    tex = re.sub(rf"\\frac{PIECE}{PIECE}", _fraction, tex)
    tex = re.sub(r"(?<=\S)([=⊙⊗+><→-])(?=\S)", r" \1 ", re.sub(r"[{}\\]", "", tex))
    return " ".join(tex.split())


def _fraction(match: re.Match) -> str:
    top, bottom = (match[1] or match[2], match[3] or match[4])
    single = re.fullmatch(r"∂?\w([_^]\w+)?", bottom)
    return f"{top}/{bottom if single else f'({bottom})'} "


def _sign(match: re.Match) -> str:
    if match[1] in SIGNS:
        return SIGNS[match[1]]
    try:
        return unicodedata.lookup(f"GREEK SMALL LETTER {match[1]}")
    except KeyError:
        return match[1]


def text_of(node: nodes.Node) -> str:
    """The text of a node, with its formulas in plain characters."""
    if isinstance(node, nodes.math | nodes.math_block):
        return plain(node.astext())
    if isinstance(node, nodes.raw):
        return ""
    if isinstance(node, nodes.Text):
        return node.astext()
    return "".join(map(text_of, node.children))
