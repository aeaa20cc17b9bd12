"""`make bench-large`: measure what is large, a section after the other, and print Markdown.

`python -m bench.large split --rows 6700000` measures some sections alone, and in the size that is asked for.
Nothing here asserts a time: goals are printed beside the figures. With --write each section goes into
docs/performance.md too.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from bench.figures import machine
from bench.large import split
from bench.table import write_into

_PROJECT: Final = Path(__file__).parents[2]

# A section's function gets a folder of its own and the options, and gives the lines that are printed.
Section = Callable[[Path, argparse.Namespace], Iterable[str]]
SECTIONS: Final[Mapping[str, Section]] = {"split": split.measure}


def main() -> None:
    """Measure, print, and write down."""
    options = _options()
    for name in options.sections or SECTIONS:
        sys.stderr.write(f"bench: {name}\n")
        before = os.getloadavg()[0]
        with tempfile.TemporaryDirectory(prefix="laurel-bench-", dir=options.folder) as folder:
            lines = list(SECTIONS[name](Path(folder), options))
        load = f"load average {before:.1f} before and {os.getloadavg()[0]:.1f} after"
        text = "\n".join([*lines, "", f"`make bench-large` on {machine()}; {load}."])
        sys.stdout.write(f"\n{text}\n")
        if options.write:
            write_into(_PROJECT / "docs" / "performance.md", text, f"bench-large:{name}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all if none"
    )
    parser.add_argument(
        "--rows",
        type=int,
        nargs="+",
        default=list(split.ROWS),
        help="of a master; several are several masters",
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; medians are shown")
    parser.add_argument("--folder", type=Path, help="where the data is made; 50 million rows need 5 GB")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    options = parser.parse_args()
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"there is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    return options


if __name__ == "__main__":
    main()
