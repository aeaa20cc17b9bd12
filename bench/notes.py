"""What a worker and its children note: when what happened, on the machine's monotonic clock.

A note is a line of JSON: kind, name, begin and end in nanoseconds. All processes append to one file.
"""

import json
import os
from pathlib import Path
from typing import Final, NamedTuple

FILE: Final = "BENCH_NOTES"  # the variable that names the file


class Note(NamedTuple):
    """One thing that happened. `kind` is point, task, mlflow (a request) or role."""

    kind: str
    name: str
    began: int
    ended: int


class Notes:
    """Appends to the file; a note costs some microseconds."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, kind: str, name: str, began: int, ended: int) -> None:
        """Write one note."""
        os.write(self._file, json.dumps([kind, name, began, ended]).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class NotesReader:
    """Reads on from where it stopped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def new(self) -> list[Note]:
        """Every note since the last look, by its begin."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._read)
            whole, _, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + 1 if whole else 0
        return sorted((Note(*json.loads(line)) for line in whole.splitlines()), key=lambda note: note.began)


def first(notes: list[Note], name: str) -> Note | None:
    """The first note of that name."""
    return next((note for note in notes if note.name == name), None)
