"""Schemathesis as a program: it reads an OpenAPI document, and asks every page what it promises."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_SECONDS = 280  # against a hang alone


def schemathesis(
    document: str, authorization: str, folder: Path, *, examples: int, seed: int, more: Sequence[str] = ()
) -> "subprocess.CompletedProcess[str]":
    """Run it with every check, where what it keeps for its next run is thrown away.

    So many `examples` per page and phase: a few hundred requests in all, the same for the same `seed`.
    """
    options = ("--checks", "all", "--max-examples", str(examples), "--seed", str(seed), "--no-color", *more)
    return subprocess.run(  # noqa: S603 - ours
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            document,
            *("--header", f"Authorization: {authorization}"),
            *options,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
