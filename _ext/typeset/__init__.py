"""Typeset the formulas of the book when it is built.

Readers get finished MathML with a font of just its characters: no script typesets anything in the browser, and a
formula with a mistake is a warning of the build. Equation numbers, ``{eq}`` and the links to equations are Sphinx's own.
"""

import html
import os
import re
import shutil
from pathlib import Path

from docutils import nodes
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

from . import font, temml

HERE = Path(__file__).parent
logger = logging.getLogger(__name__)
TEX_OUTPUT = re.compile(r'<span class="tex">\$(.*?)\$</span>', re.DOTALL)


class Typeset:
    """The math renderer of one build, and what it needs on the pages."""

    def __init__(self):
        self.temml = temml.Temml()
        self.reported = set()
        self.unfinished = set()

    def inline(self, translator, node):
        """Write a formula that stands in the text."""
        translator.body.append(translator.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
        translator.body.append(self.markup(translator.builder, node) + "</span>")
        raise nodes.SkipNode

    def display(self, translator, node):
        """Write a formula that stands on its own: a box that can scroll, then its number and a link to it."""
        number = f"({get_node_equation_number(translator, node)})" if node.get("number") else ""
        name = html.escape(f"{_('Equation')} {number}".strip())
        translator.body.append(translator.starttag(node, "div", "", CLASS="math notranslate nohighlight"))
        translator.body.append(f'<div class="math-scroll" role="group" aria-label="{name}" tabindex="0">')
        translator.body.append(self.markup(translator.builder, node) + "</div>")
        if number:
            translator.body.append(f'<span class="eqno">{number}')
            translator.add_permalink_ref(node, _("Link to this equation"))
            link = f"{_('Link to this equation')} {number}"
            # The text of the link is a bare sign, which says nothing when it is read aloud.
            translator.body[-1] = translator.body[-1].replace("<a ", f'<a aria-label="{link}" ', 1)
            if checked := node.get("checked"):  # set by the ledger, for an equation that was checked in this build
                told = f"Equation {number} was checked: see the evidence"
                translator.body.append(f'<a class="checked" href="{html.escape(checked)}" aria-label="{told}">✓</a>')
            translator.body.append("</span>")
        translator.body.append("</div>\n")
        raise nodes.SkipNode

    def markup(self, builder, node):
        """Return a formula as HTML; warn where it stands if it cannot be typeset."""
        tex, display = node.astext(), isinstance(node, nodes.math_block)
        try:
            return self.temml(temml.displayed(tex, node.get("nowrap")) if display else tex, display)
        except ValueError as error:
            self.unfinished.add(builder.current_docname)
            # The formula of a heading comes again in the contents of every page.
            if (place := (node.source, node.line, tex)) not in self.reported:
                self.reported.add(place)
                logger.warning("a formula cannot be typeset: %s\n%s", error, tex.strip(), location=node)
            return f'<code class="math-error">{html.escape(tex)}</code>'

    def start(self, app):
        """Put style and script into the site, or say at once what is missing."""
        if app.builder.format == "html":
            temml.node()
            folder = Path(app.outdir, "_static", "typeset")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "math.css").write_text(font.FACE + temml.style(), "utf-8")
            for script in ("copy.js", "tab-stops.js"):
                shutil.copy(HERE / script, folder)

    def finish(self, app, error):
        """End the Node process, write the font, and let the next build write the pages with mistakes again, so that it
        warns again."""
        self.temml.close()
        if error is None and app.builder.format == "html":
            font.write(Path(app.outdir), Path(app.doctreedir))
        for page in self.unfinished:
            if os.path.exists(written := app.builder.get_outfilename(page)):
                os.utime(written, (0, 0))

    def outputs(self, app, doctree, page):
        """Typeset the formulas that the outputs of cells hold: a notebook would do that in the browser."""
        def typeset(match):
            try:
                return self.temml(html.unescape(match[1]))
            except ValueError:
                return f"<code>{match[1]}</code>"  # a formula that a chapter shows because it cannot be read

        for raw in doctree.findall(nodes.raw):
            if raw.get("format") == "html" and TEX_OUTPUT.search(raw.astext()):
                raw.children = [nodes.Text(TEX_OUTPUT.sub(typeset, raw.astext()))]

    def link(self, app, page, template, context, doctree):
        """Link style and script where there is mathematics: in the page, or in the contents beside it."""
        contents = app.env.tocs.values()
        if "<math" in context.get("body", "") or any(any(toc.findall(nodes.math)) for toc in contents):
            app.add_css_file("typeset/math.css")
            app.add_js_file("typeset/copy.js", loading_method="defer")
            app.add_js_file("typeset/tab-stops.js", loading_method="defer")

    def plain_title(self, app, page, template, context, doctree):
        """Write the title of the browser's tab in plain characters, not in those of MathML and TeX at once."""
        title = app.env.longtitles.get(page)
        if title is not None and any(title.findall(nodes.math)):
            context["typeset_title"] = context["title"]
            title = title.deepcopy()
            for node in list(title.findall(nodes.math)):
                node.replace_self(nodes.Text(html.unescape(temml.plain(self.markup(app.builder, node)))))
            context["title"] = app.builder.render_partial(title)["title"]

    def printed_title(self, app, page, template, context, doctree):
        """Typeset the title on paper too, where the theme prints the TeX."""
        if "typeset_title" in context:
            context["pagetitle"] = context["typeset_title"]


def name_blocks(app, doctree):
    """Count the amsmath blocks of a page; MyST names them at random, and two builds would never be the same."""
    equations = app.env.get_domain("math").equations
    blocks = [block for block in doctree.findall(nodes.math_block) if "amsmath" in block["classes"]]
    for count, block in enumerate([block for block in blocks if block.get("label")], start=1):
        random_id = nodes.make_id(f"equation-{block['label']}")
        label = f"{app.env.docname}-display-{count}"
        equations[label] = equations.pop(block["label"])
        block["label"] = label
        block["ids"] = [nodes.make_id(f"equation-{label}") if name == random_id else name for name in block["ids"]]


def select(app, config):
    """Let no configuration fall back to MathJax."""
    config.html_math_renderer = "temml"


def setup(app):
    """Make Temml the math renderer."""
    typeset = Typeset()
    app.add_html_math_renderer("temml", (typeset.inline, None), (typeset.display, None))
    app.connect("config-inited", select)
    app.connect("builder-inited", typeset.start)
    app.connect("doctree-read", name_blocks)
    app.connect("doctree-resolved", typeset.outputs)
    app.connect("html-page-context", typeset.link)
    app.connect("html-page-context", typeset.plain_title, priority=100)  # before others copy the title
    app.connect("html-page-context", typeset.printed_title, priority=900)  # after the theme has set its own
    app.connect("build-finished", typeset.finish)
    # Writers in parallel would share the pipes of the one process.
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": False}
