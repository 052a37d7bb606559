"""Gather the notebooks of the built site in a folder: each is the very file that its page offers for download."""

import shutil
import sys
from pathlib import Path


def collect(site: Path, folder: Path) -> list[Path]:
    """Write the notebooks of a site into a folder that then holds nothing else, and return them.

    Raises
    ------
    ValueError
        If two pages have notebooks of one name: they will lie at the top of one branch.
    """
    found = sorted((site / "_sources").rglob("*.ipynb"))
    if len({path.name for path in found}) < len(found):
        raise ValueError(f"Notebooks need names of their own, but {site} has {', '.join(path.name for path in found)}: rename a page.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return [Path(shutil.copyfile(path, folder / path.name)) for path in found]


if __name__ == "__main__":
    made = collect(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{len(made)} notebooks are in {sys.argv[2]}; each runs on its own in Jupyter, VS Code and Colab.")
