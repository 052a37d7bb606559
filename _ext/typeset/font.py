"""The font of the formulas: STIX Two Math, cut down to the characters that the pages show."""

import hashlib
import logging
import re
from html import unescape
from pathlib import Path

from fontTools import subset
from sphinx.errors import ExtensionError

logging.getLogger("fontTools").setLevel(logging.WARNING)  # it would tell each table that it cuts

SOURCE = Path(__file__).parent / "node_modules/@fontsource/stix-two-math/files/stix-two-math-latin-400-normal.woff2"
NAME = "math.woff2"
# Nobody sees another font first: the pages fetch this one before anything else.
FACE = f"""\
@font-face {{ font-family: "Book Math"; src: url("{NAME}") format("woff2"); font-display: block; }}
:root {{ --mc-math: "Book Math"; }}
"""

_FORMULA = re.compile(r"<math\b.*?</math>", re.DOTALL)
_HIDDEN = re.compile(r"<annotation.*?</annotation>|<[^>]*>", re.DOTALL)
_VARIABLE = re.compile(r"<mi>(&\w+;|.)</mi>")
# Browsers show a variable in italics, which are characters of their own.
_ITALIC = {
    **{chr(ord("A") + i): chr(0x1D434 + i) for i in range(26)},
    **{chr(ord("a") + i): chr(0x1D44E + i) for i in range(26)},
    **{chr(ord("Α") + i): chr(0x1D6E2 + i) for i in range(25)},
    **{chr(ord("α") + i): chr(0x1D6FC + i) for i in range(25)},
    **dict(zip("hıȷ∂ϵϑϰϕϱϖ", "ℎ𝚤𝚥𝜕𝜖𝜗𝜘𝜙𝜚𝜛")),
}


def write(site, cache):
    """Write the font for all pages of a site; the cache keeps it for the next build with the same characters."""
    formulas = [formula for page in sorted(site.rglob("*.html")) for formula in _FORMULA.findall(page.read_text("utf-8"))]
    if formulas:
        target = site / "_static" / "typeset" / NAME
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(cut(SOURCE, characters(formulas), cache))


def characters(formulas):
    """Return the characters that the MathML of formulas shows.

    >>> "".join(sorted(characters(["<math><mi>x</mi><mo>&lt;</mo><mi>sin</mi><annotation>y</annotation></math>"])))
    '<insx𝑥'
    >>> "".join(sorted(characters(["<math><msqrt><mn>2</mn></msqrt></math>"])))
    '2√'
    """
    seen = set()
    for formula in formulas:
        if "<msqrt" in formula or "<mroot" in formula:
            seen.add("√")  # which the browser draws, though it stands nowhere
        seen.update(unescape(_HIDDEN.sub("", formula)))
        seen.update(_ITALIC.get(unescape(letter), "") for letter in _VARIABLE.findall(formula))
    return {character for character in seen if character and character not in "\n\t "}  # but spaces that are shown


def cut(source, wanted, cache, features=("ccmp", "locl")):
    """Return a font with these characters alone, in the form that browsers fetch.

    Parameters
    ----------
    source : the whole font
    wanted : its characters to keep
    cache : a folder; a font that was cut before is read from it
    """
    if not source.exists():
        raise ExtensionError(f"The font {source.name} is not installed: run `make book`.")
    key = hashlib.sha256(f"{source.name} {source.stat().st_size} {''.join(sorted(wanted))}".encode()).hexdigest()[:16]
    kept = cache / f"{key}.woff2"
    if not kept.exists():
        options = subset.Options(flavor="woff2", hinting=False, layout_features=list(features), notdef_outline=True,
                                 bidi_closure=False, recalc_timestamp=False, name_IDs=[0, 1, 2, 13])  # fmt: skip
        cache.mkdir(parents=True, exist_ok=True)
        cutter = subset.Subsetter(options)
        cutter.populate(text="".join(wanted))
        with subset.load_font(source, options) as font:
            cutter.subset(font)
            subset.save_font(font, kept, options)
    return kept.read_bytes()
