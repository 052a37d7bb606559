"""The figures of a page as pictures, for viewers that show no drawing.

GitHub, and JupyterLab before a notebook is trusted, take SVG out of an output. So a figure leaves the site as PNG, in the
light colours and on white, twice as fine as it is shown; it has the same bytes wherever it is made.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import matplotlib
import PIL
from PIL import Image
from sphinx.errors import ExtensionError
from typeset import temml

from utils.theme import PALETTE

HERE = Path(__file__).parent
RESVG = HERE / "node_modules/@resvg/resvg-wasm"
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique")
GAP = 12  # between the panels of a figure
MAKER = f"{(HERE / 'draw.js').read_text('utf-8')} {(HERE / 'package.json').read_text('utf-8')} {PIL.__version__} {matplotlib.__version__}"
_VARIABLE = re.compile(r"var\(--[\w-]+,\s*([^()]*)\)")
_NESTED = re.compile(r"<tspan ([^>]*)><tspan ([^>]*)>([^<]*)</tspan></tspan>")  # of which resvg would not lower the inner one
_SVG = re.compile(r"<svg\b[^>]*>.*?</svg>", re.DOTALL)


class Picture(NamedTuple):
    """A figure as PNG, with the size at which it is shown."""

    png: bytes
    width: int
    height: int


class Pictures:
    """Draws the figures of one build; the process that does it starts with the first that is not kept from an earlier one."""

    def __init__(self, kept: Path) -> None:
        self.kept = kept
        self._process: subprocess.Popen | None = None

    def __call__(self, figure: str) -> Picture:
        """Draw a figure, given as the HTML that holds it.

        Raises
        ------
        ExtensionError
            If there is no drawing in it, or one that cannot be drawn.
        """
        svg, width, height = flat(figure)
        kept = self.kept / f"{hashlib.sha256(f'{MAKER}{svg}'.encode()).hexdigest()[:16]}.png"
        if not kept.exists():
            answer = self._ask(svg)
            if "error" in answer:
                raise ExtensionError(f"a figure of a notebook cannot be drawn: {answer['error']}")
            self.kept.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(small(base64.b64decode(answer["png"])))
        return Picture(kept.read_bytes(), width, height)

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def _ask(self, svg: str) -> dict:
        if self._process is None:
            if not RESVG.is_dir():
                raise ExtensionError("resvg, which draws the figures of notebooks, is not installed: run `make book`.")
            fonts = [Path(matplotlib.get_data_path(), "fonts/ttf", f"{name}.ttf") for name in FONTS]
            self._process = subprocess.Popen([temml.node(), HERE / "draw.js", *fonts], stdin=subprocess.PIPE,
                                             stdout=subprocess.PIPE, encoding="utf-8")
        try:
            print(json.dumps({"svg": svg}), file=self._process.stdin, flush=True)
            return json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            raise ExtensionError("resvg stopped in the middle of the book; its own message is above.") from error


def flat(figure: str) -> tuple[str, int, int]:
    """Return the drawings of a figure as one, side by side, with the colours of the light page; and its size.

    >>> svg = '<svg viewBox="0 0 20 10" width="40"><path fill="var(--mc-input,#0b5a9e)"/></svg>'
    >>> flat(f"<div>{svg}{svg}</div>")[1:]
    (92, 20)
    >>> "#0b5a9e" in flat(svg)[0], "var(" in flat(svg)[0]
    (True, False)
    """
    panels = _SVG.findall(figure)
    if not panels:
        raise ExtensionError("a figure of a notebook has no drawing in it: show(…) of utils.figures makes one.")
    width = height = 0
    parts = []
    for panel in panels:
        left, top, across, down = (float(number) for number in re.search(r'viewBox="([^"]+)"', panel)[1].split())
        wide = float(re.search(r'^<svg\b[^>]*? width="([\d.]+)', panel)[1])
        high = wide * down / across
        inside = re.sub(r"^<svg\b[^>]*>", "", panel)
        others = " ".join(re.findall(r'\b(?:fill|stroke-line\w+)="[^"]*"', re.match(r"<svg\b[^>]*>", panel)[0]))
        parts.append(f'<svg x="{width:g}" y="0" width="{wide:g}" height="{high:g}" viewBox="{left:g} {top:g} {across:g} {down:g}" '
                     f"{others}>{inside}")
        width, height = width + wide + GAP, max(height, high)
    width -= GAP
    svg = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" font-family="DejaVu Sans">'
           f'{"".join(parts)}</svg>')
    while _VARIABLE.search(svg):
        svg = _VARIABLE.sub(r"\1", svg)
    svg = _NESTED.sub(r"<tspan \1 \2>\3</tspan>", svg)
    return svg.replace("currentColor", PALETTE["ink"].light), round(width), round(height)


def small(png: bytes) -> bytes:
    """The same picture with 64 colours, which is all that lines and letters need."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
