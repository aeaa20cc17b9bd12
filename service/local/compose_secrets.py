"""`python -m service.local.compose_secrets FOLDER`: the secrets of one machine, made once at random.

Each role mounts its own folder and starts in it, so that its `.env` is read; none stands in a command line
or in the file for compose. What the user set is taken as it is.
"""

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

from dotenv import dotenv_values

from service.adapters.cryptography.ed25519 import ensure_key_pair
from service.adapters.files.atomic import AtomicFiles

_ROLES, _INFERENCE, _POSTGRES = "roles", "inference", "postgres"
_KEPT: Final = "kept.env"  # beside the roles' own: everything as it was made
_NAMES: Final = ("POSTGRES_PASSWORD", "INFERENCE_INTERNAL_TOKEN", "API_TOKEN", "API_BASIC_PASSWORD")


def make(folder: Path, given: Mapping[str, str]) -> None:
    """Write what is missing, and what was given again. Raises TryLater where the disk refuses."""
    known = dotenv_values(folder / _ROLES / _KEPT)
    chosen = {name: given.get(name) or known.get(name) or secrets.token_urlsafe(24) for name in _NAMES}
    keys = ensure_key_pair(folder / _ROLES)
    password, token = chosen["POSTGRES_PASSWORD"], chosen["INFERENCE_INTERNAL_TOKEN"]
    _write(folder / _ROLES / _KEPT, _lines(chosen))
    _write(
        folder / _ROLES / ".env",
        _lines(
            {
                "DATABASE_URL": f"postgresql://laurel:{quote(password, safe='')}@postgres:5432/laurel",
                "INFERENCE_INTERNAL_TOKEN": token,
                "API__TOKENS": given.get("API_TOKENS") or f"local:{chosen['API_TOKEN']}",
                "API__BASIC_PASSWORD": chosen["API_BASIC_PASSWORD"],
                "SIGNING__KEY_FILE": str(keys.signing),
            }
        ),
    )
    verification = folder / _INFERENCE / "verification.pem"
    _write(verification, keys.verification.read_text())
    settings = {"INFERENCE_INTERNAL_TOKEN": token, "INFERENCE__VERIFICATION_KEY_FILE": str(verification)}
    _write(folder / _INFERENCE / ".env", _lines(settings))
    # PostgreSQL's own user reads the one, libpq takes the other from its owner alone.
    _write(folder / _POSTGRES / "password", password, mode=0o444)
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    _write(folder / _POSTGRES / "pgpass", f"postgres:5432:*:laurel:{escaped}\n")


def _lines(values: Mapping[str, str]) -> str:
    quoted = {name: value.replace("\\", "\\\\").replace("'", "\\'") for name, value in values.items()}
    return "".join(f"{name}='{value}'\n" for name, value in quoted.items())


def _write(file: Path, text: str, *, mode: int = 0o400) -> None:
    with AtomicFiles().draft(file) as draft:
        draft.write(text.encode())
        draft.replace()
    file.chmod(mode)


if __name__ == "__main__":
    os.umask(0o077)
    make(Path(sys.argv[1]), os.environ)
