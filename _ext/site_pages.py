"""What a page needs beside its text: ways to be found, small and few files, and a theme without faults.

``listing`` writes what others show of a page, ``theme_pages`` repairs the theme's pages, ``assets`` makes one style
sheet, one script and small fonts for all of them, and ``policy`` says what browsers may load.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import policy
import theme_pages
from assets import DECK, Bundle, html_files
from listing import CARD, check_descriptions, collect_description, draw_card, meta, write_entry, write_sitemap

from utils import theme

HERE = Path(__file__).parent
SCRIPTS = ("theme.js", "dialogs.js", "menus.js", "contents.js", "code-copy.js")


def start(app) -> None:
    """Write what pages link to before they are written, and begin a bundle."""
    if app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    static.mkdir(parents=True, exist_ok=True)
    (static / "figures.css").write_text(theme.css(), encoding="utf-8")
    app.add_css_file("figures.css", priority=400)
    draw_card(app.config.html_title, HERE / "static" / "logo.svg", static / Path(CARD).name)
    theme_pages.Templates.bundle = Bundle(Path(app.doctreedir) / "bundle.json")


def remove_left_pages(app) -> None:
    """Remove the pages of chapters that have left the book since an earlier build."""
    for page in Path(app.outdir, "chapters").rglob("*.html"):
        # A deck goes with its chapter (slides/__init__.py).
        if page.relative_to(app.outdir).with_suffix("").as_posix() not in app.env.found_docs and not page.stem.endswith(DECK):
            page.unlink()



# --- Sphinx -----------------------------------------------------------------------------------------------------------


def configure(app, config) -> None:
    """Choose our templates and the card, and write all pages anew when what shapes them has changed."""
    config.template_bridge = "theme_pages.Templates"
    config.ogp_image = CARD
    config.ogp_image_alt = f"{config.html_title}: a matrix bracket around a tick"
    config.ogp_custom_meta_tags = [meta("name", "twitter:card", "summary_large_image")]
    shapers = sorted(path for path in HERE.rglob("*.*") if path.is_file() and not {"node_modules", "__pycache__"} & {*path.parts})
    config.book_shape = hashlib.sha256(b"".join(path.read_bytes() for path in shapers)).hexdigest()


def finish(app, error) -> None:
    """Write the files that speak of all pages."""
    if error is None and app.builder.format == "html":
        write_sitemap(app)
        write_entry(app)
        remove_left_pages(app)
        site = Path(app.outdir)
        theme_pages.Templates.bundle.write(site, Path(app.doctreedir) / "fonts")
        policy.write(site, (page.read_text("utf-8") for page in html_files(site)))


def setup(app):
    # Sphinx knows nothing of changed extensions, and copies changed static files only when some page is due; a new
    # value makes every page due. What its cells gave stays in the cache.
    app.add_config_value("book_shape", "", "env")
    # Jupyter Book sets it whether or not the extension that knows it is loaded.
    app.add_config_value("comments_config", {}, "")
    for script in SCRIPTS:
        app.add_js_file(script, loading_method="defer")
    app.connect("config-inited", configure, priority=600)
    app.connect("builder-inited", start)
    app.connect("doctree-read", collect_description)
    app.connect("env-updated", check_descriptions)
    app.connect("html-page-context", theme_pages.complete_page, priority=450)  # before the card's tags are made
    app.connect("build-finished", finish, priority=800)  # the formulas have their font
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
