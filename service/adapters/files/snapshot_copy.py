"""Copying a file that others may write to meanwhile: the bytes of one moment, or an error."""

from pathlib import Path
from typing import Final

from domain.errors import NeverRetry
from service.adapters.files.atomic import Draft, copy_into, sha256_of

_ATTEMPTS: Final = 3


def copy_snapshot(source: Path, draft: Draft) -> None:
    """Copy `source`, and read it again: only if it has the same bytes still is the copy taken.

    After three attempts raises NeverRetry `master_changing`. Raises OSError when the disk fails.
    """
    for _ in range(_ATTEMPTS):
        draft.restart()
        copy_into(source, draft)
        if sha256_of(source) == draft.sha256:
            return
    raise NeverRetry(
        "master_changing",
        f"{source} changed each of {_ATTEMPTS} times while it was read; replace it in one rename",
        path=str(source),
        attempts=_ATTEMPTS,
    )
