"""An environment as a platform's own inference image has it: older libraries, and nothing of Laurel.

It is made from a hashed lock of its own, once for each content of the lock, inside the environment of the
tests; from uv's cache that takes a second.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

LOCK: Final = Path(__file__).parents[2] / "requirements" / "older-serving.txt"


class CannotFetch(Exception):
    """What the network did not give, in a sentence."""


def older_python() -> Path:
    """Its interpreter; the environment is made when it is not there, and appears only when it is whole."""
    ours = Path(sys.prefix)
    place = ours / f"older-serving-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    if not place.exists():
        with TemporaryDirectory(dir=ours) as folder:
            made = Path(folder) / "made"
            _uv("venv", "--python", sys.executable, str(made))
            _uv("pip", "install", "--python", str(made / "bin/python"), "--require-hashes", "-r", str(LOCK))
            _publish(made, place)
    return place / "bin" / "python"


def _uv(*arguments: str) -> None:
    uv = Path(sys.executable).with_name("uv")
    done = subprocess.run([uv, "--quiet", *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        why = " ".join(done.stderr.split())
        raise CannotFetch(f"an environment with older libraries cannot be made: {why}")


def _publish(made: Path, place: Path) -> None:
    """Of two that make it at once, the second's is not needed."""
    try:
        os.rename(made, place)  # noqa: PTH104 - a rename that replaces nothing
    except OSError:
        assert place.is_dir()
