"""Patterns that only Python's engine knows, matched in a process of their own that its limit of time ends.

They stand in contracts of old: with look-around or back-references no engine promises a time. What takes too
long, or is too long itself, does not match.
"""

import json
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, Self

_CHILD: Final = Path(__file__).with_name("slow_pattern_child.py")
_LONGEST_TEXT: Final = 1000  # characters
_BATCH: Final = 1000  # texts; their answers fit into a pipe
_MOST_OVERRUNS: Final = 10  # in one call, after which nothing more matches in it


class SlowPattern:
    """One pattern. Thread-safe; it blocks. The process is started with the first text and ends with this."""

    def __init__(self, pattern: str, seconds: float = 0.1) -> None:
        self._start: Final = json.dumps([pattern, seconds]).encode() + b"\n"
        self._turn = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._end: weakref.finalize[[], SlowPattern] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def __call__(self, text: object) -> bool:
        """True when the text, as a whole, matches in time."""
        return isinstance(text, str) and self.each([text])[0]

    def each(self, texts: Sequence[str]) -> list[bool]:
        """The same for each text, in their order."""
        with self._turn:
            found: list[bool] = []
            overruns = 0
            for batch in _batches(texts):
                left = list(batch)
                while left and overruns < _MOST_OVERRUNS:
                    said = self._asked(left)
                    found += said
                    left = left[len(said) :]
                    if left:  # the process has ended with the first of them
                        found.append(False)
                        left = left[1:]
                        overruns += 1
                found += [False] * len(left)
            return found

    def _asked(self, texts: Sequence[str]) -> list[bool]:
        """Ask for texts; the answers of those before which it has not ended."""
        child = self._living()
        assert child.stdin is not None and child.stdout is not None  # noqa: PT018, S101 - both are pipes
        asked = [text if len(text) <= _LONGEST_TEXT else None for text in texts]
        with suppress(BrokenPipeError):
            child.stdin.write(json.dumps(asked).encode() + b"\n")
            child.stdin.flush()
        said = child.stdout.read(len(texts))
        if len(said) < len(texts):
            self._stop()
        return [answer == ord("1") for answer in said]

    def _living(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            command = [sys.executable, "-I", "-S", str(_CHILD)]
            self._child = subprocess.Popen(  # noqa: S603 - our own file
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            self._end = weakref.finalize(self, partial(_ended, self._child))
            assert self._child.stdin is not None  # noqa: S101 - it is a pipe
            self._child.stdin.write(self._start)
        return self._child

    def _stop(self) -> None:
        if self._end is not None:
            self._end()
        self._child = None


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH))


def _ended(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        child.kill()
    with child:  # its pipes, and its end
        pass
