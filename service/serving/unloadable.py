"""Versions that no process can load: the one that tried has died of each, and none tries again.

The marks are kept in a small file beside the cache, so that a restarted server does not try either.
They hold for the release of Laurel that made them: another one may bring libraries that can.
"""

from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import structlog
from pydantic import TypeAdapter, ValidationError

from domain.errors import ModelUnusable, TryLater
from domain.ports.clock import Clock
from domain.values import Sha256, Value
from service.adapters.files.atomic import AtomicFiles
from service.adapters.files.errors import read_small
from service.serving.champion import RegisteredChampion

UNLOADABLE: Final = "unloadable_model"
_LARGEST: Final = 1 << 20  # bytes
_KEPT: Final = 20  # marks, the newest ones
_LONGEST_WHY: Final = 300

log = structlog.get_logger("laurel.inference")


class DiedOfModel(ModelUnusable):
    """The process that was to build a model died of it."""


class Mark(Value):
    """One version whose files took the loading process down, when that was, and how."""

    version: int
    generation: int | None
    digest: Sha256
    why: str
    at: datetime
    release: str


_MARKS: Final = TypeAdapter(tuple[Mark, ...])


class UnloadableVersions:
    """The marks of one model under one alias. It blocks: it is for the loading thread."""

    def __init__(self, file: Path, clock: Clock, files: AtomicFiles | None = None) -> None:
        self._file = file
        self._clock = clock
        self._files = files or AtomicFiles()
        self._release = version("laurel-lifecycle")
        self.marks: Sequence[Mark] = self._read()

    def require_unmarked(self, champion: RegisteredChampion) -> None:
        """Raise ModelUnusable `unloadable_model` for files of which a process has died."""
        mark = next((one for one in self.marks if one.digest == champion.digest), None)
        if mark is not None:
            raise ModelUnusable(
                UNLOADABLE,
                f"version {champion.version} is not tried again: {mark.why}; promote another version, or "
                f"roll back; to try it once more, remove {self._file.name} from the cache and restart",
                version=champion.version,
            )

    def mark(self, champion: RegisteredChampion, error: DiedOfModel) -> None:
        """Remember a version. A disk that refuses costs the next start another try, no more."""
        made = Mark(
            version=champion.version,
            generation=champion.generation,
            digest=champion.digest,
            why=error.message[:_LONGEST_WHY],
            at=self._clock.now(),
            release=self._release,
        )
        self.marks = (*self.marks, made)[-_KEPT:]
        log.error("version_marked_unloadable", version=made.version, digest=made.digest, why=made.why)
        try:
            self._files.replace(self._file, _MARKS.dump_json(tuple(self.marks), indent=2))
        except TryLater as refusal:
            log.warning("mark_not_remembered", reason=refusal.reason, problem=refusal.message)

    def _read(self) -> Sequence[Mark]:
        try:
            data = read_small(self._file, _LARGEST)
            marks = () if data is None else _MARKS.validate_json(data)
        except (TryLater, ValidationError) as error:
            log.warning("marks_unreadable", problem=type(error).__name__)
            return ()
        return tuple(mark for mark in marks if mark.release == self._release)
