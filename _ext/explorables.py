"""Figures to play with, in the pages: their scripts and style beside the site's own, and still cells that make them.

A chapter's cell makes such a figure with ``utils.explore``; here the site gets one script for each, which the host
(``static/explore-host.js``) fetches when a figure comes into sight.
"""

from __future__ import annotations

import os
from pathlib import Path

from utils import explore

FOLDER = "explore"


def write_scripts(app) -> None:
    """Write what pages fetch; the style sheet becomes one of the site's."""
    static = Path(app.outdir, "_static")
    (static / FOLDER).mkdir(parents=True, exist_ok=True)
    for name in explore.names():
        (static / FOLDER / f"{name}.js").write_text(explore.page_script(name), encoding="utf-8")
    (static / "explore.css").write_text((explore.HERE / "explore.css").read_text("utf-8"), encoding="utf-8")
    app.add_css_file("explore.css", priority=410)
    app.add_js_file("explore-host.js", loading_method="defer")


def setup(app):
    os.environ[explore.STATIC] = "1"  # kernels inherit it
    app.connect("builder-inited", write_scripts)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
