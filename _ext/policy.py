"""What browsers may load on the pages: files of the site itself, and one script that is known by its checksum.

The policy stands in ``_headers``, a file that many hosts send as headers (GitHub's Pages send none of their sites' own).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

_INLINE = re.compile(r"<script(?![^>]*\b(?:src|type)=)[^>]*>(.*?)</script>", re.DOTALL)  # with a type it is data


def policy(pages: Iterable[str]) -> str:
    """Return the content security policy under which these pages work: no host but their own, no script or style in them.

    The theme chooses light or dark in a script of a few characters before anything is shown; it is allowed by its
    checksum, and so is any other that stands in a page, so that a test can count them. Firefox fetches the next page
    ahead, which ``default-src`` alone can allow; so what else that would allow is named.
    """
    scripts = sorted({base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for page in pages
                      for text in _INLINE.findall(page)})  # fmt: skip
    known = "".join(f" 'sha256-{checksum}'" for checksum in scripts)
    return (
        f"default-src 'self'; script-src 'self'{known}; img-src 'self' data:; object-src 'none'; media-src 'none'; "
        "worker-src 'none'; manifest-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    )


def write(site: Path, pages: Iterable[str]) -> None:
    """State the headers of the site, in the form that hosts read."""
    lines = ["/*", f"  Content-Security-Policy: {policy(pages)}", "  X-Content-Type-Options: nosniff"]
    (site / "_headers").write_text("\n".join(lines) + "\n", "utf-8")
