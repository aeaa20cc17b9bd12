"""The wheel of this checkout, and a place where a stranger installs it from what the set-up downloaded."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.kit.alert_rules import ROOT

_OURS: Final = ("service", "handlers", "domain", "config", "pyproject.toml", "README.md", "LICENSE")
# A venv begins empty, and the packages are here: they are lent to it, all but our own. So is pip, whose
# installation and compilation would be a tenth of the test's cost.
_PYTHON: Final = """\
#!/bin/sh
[ "$2" = venv ] || exec {python} "$@"
{python} -m venv --without-pip "$3" || exit
echo {lent} > "$(echo "$3"/lib/python*/site-packages)/lent.pth"
"""


def build_wheel(folder: Path, source: Path) -> Path:
    """Build it into a folder, from a copy in `source`, so that nothing stays in the checkout."""
    ignored = shutil.ignore_patterns("__pycache__")
    for place in (ROOT / name for name in _OURS):
        if place.is_dir():
            shutil.copytree(place, source / place.name, ignore=ignored)
        else:
            shutil.copy(place, source)
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation")
    command = (sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(folder), str(source))
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - ours
    (wheel,) = folder.glob("*.whl")
    return wheel


def lend_packages(folder: Path) -> Path:
    """A folder for PATH whose `python3` makes environments that see what is installed here."""
    lent, programs = folder / "lent", folder / "programs"
    lent.mkdir()
    programs.mkdir()
    for installed in (Path(place) for place in sys.path if place.endswith("site-packages")):
        for one in installed.iterdir():
            if not one.name.startswith(("laurel_lifecycle", "__editable__", "__pycache__", "_virtualenv")):
                (lent / one.name).symlink_to(one)
    python = programs / "python3"
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    python.write_text(_PYTHON.format(python=base, lent=lent))
    python.chmod(0o755)
    return programs
