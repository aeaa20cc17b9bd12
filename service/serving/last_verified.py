"""What was served last, in a small file beside the cache: a server that starts while MLflow is down reads it.

The file only says what to load. The bytes are checked against its manifest again, and the golden rows too.
"""

from pathlib import Path
from typing import Final

import structlog
from pydantic import ValidationError

from domain.errors import TryLater
from service.adapters.files.atomic import AtomicFiles
from service.adapters.files.errors import read_small
from service.serving.champion import RegisteredChampion

_LARGEST: Final = 1 << 20  # bytes

log = structlog.get_logger()


class LastVerified:
    """One champion of one model under one alias, written whole or not at all."""

    def __init__(self, file: Path, files: AtomicFiles | None = None) -> None:
        self._file = file
        self._files = files or AtomicFiles()

    def write(self, champion: RegisteredChampion) -> None:
        """Remember the champion. A disk that refuses costs the next start without MLflow, no more."""
        try:
            self._files.replace(self._file, champion.model_dump_json(indent=2).encode())
        except TryLater as error:
            log.warning("last_model_not_remembered", reason=error.reason, problem=error.message)

    def read(self, model_name: str) -> RegisteredChampion | None:
        """The champion that was remembered; None when there is none, or not of this model.

        Raises TryLater `file_error`.
        """
        data = read_small(self._file, _LARGEST)
        if data is None:
            return None
        try:
            champion = RegisteredChampion.model_validate_json(data)
        except ValidationError as error:
            log.warning("last_model_unreadable", faults=error.error_count())
            return None
        return champion if champion.model_name == model_name else None
