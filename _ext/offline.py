"""The site in one zip that works when it is unpacked and opened from disk, without a server and without a network.

Browsers give files less than they give a server's pages: a script may not read another page, and a font fetched ahead is
refused. So the search shows its results without quoting the pages, and pages fetch their fonts when they need them.
"""

import re
import sys
import zipfile
from pathlib import Path

PRELOAD = re.compile(r'<link rel="preload"[^>]*>\n')
SERVED_ONLY = {"404.html", "sitemap.xml", "_headers", "objects.inv", ".buildinfo"}
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # a date would make two zips of the same site differ


def from_disk(name: str, data: bytes) -> bytes:
    """Return a file of the site as it works from disk.

    >>> from_disk("a/b.html", b'<link rel="preload" href="f.woff2" as="font">\\n<p>x</p>')
    b'<p>x</p>'
    """
    if name.endswith(".html"):
        return PRELOAD.sub("", data.decode("utf-8")).encode("utf-8")
    if name == "_static/documentation_options.js":
        return data.replace(b"SHOW_SEARCH_SUMMARY: true", b"SHOW_SEARCH_SUMMARY: false")
    return data


def used(site: Path) -> list[Path]:
    """The files of a site that its pages lead to, and those that these need."""
    wanted = [page for page in site.rglob("*.html") if "_static" not in page.relative_to(site).parts]
    wanted += (site / "_static" / "explore").rglob("*.*")  # fetched when a figure comes into sight
    found = set()
    while wanted:
        path = wanted.pop()
        if path in found or not path.is_file():
            continue
        found.add(path)
        if path.suffix in (".html", ".css"):
            text = path.read_text("utf-8")
            links = re.findall(r"""(?:href|src)="([^"#?]+)|url\(["']?([^"')#?]+)""", text)
            wanted += [(path.parent / link).resolve() for link in (a or b for a, b in links) if ":" not in link]
        elif path.suffix == ".js":
            links = re.findall(r"""["'](\.{0,2}/?[\w./-]+\.(?:js|json))["']""", path.read_text("utf-8"))
            wanted += [(path.parent / link).resolve() for link in links]
    return sorted(path for path in found if path.is_relative_to(site) and path.name not in SERVED_ONLY)


def write(site: Path, target: Path) -> None:
    """Write the zip; all of it lies in one folder named like the zip."""
    site = site.resolve()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in used(site):
            name = path.relative_to(site).as_posix()
            put(archive, f"{target.stem}/{name}", from_disk(name, path.read_bytes()))


def put(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a file to a zip so that two zips of the same files are the same."""
    entry = zipfile.ZipInfo(name, LONG_AGO)
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    archive.writestr(entry, data)


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{sys.argv[2]}: unpack it and open index.html")
