"""Leave Python's search for garbage out of a build.

Pages are trees whose nodes know their parents, and a build reads each of them dozens of times. Looking through all of them
again and again for what nobody needs any more takes a third of the time beside the kernels, at the end alone some seconds;
a build ends soon, and all of its memory with it.
"""

from __future__ import annotations

import gc

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    gc.disable()
    app.connect("build-finished", lambda app, exception: gc.freeze(), priority=999)  # else Python looks once more as it ends
    return {"parallel_read_safe": True, "parallel_write_safe": True}
