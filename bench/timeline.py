"""Where the time of one promotion goes."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final, NamedTuple

from bench.notes import Note
from bench.wire import Heard

_WIDTH = 44


def mlflow_calls(notes: Sequence[Note]) -> int:
    """How many requests went to MLflow before the promotion was read."""
    return sum(note.kind == "mlflow" for note in notes)


class _Phase(NamedTuple):
    """What ends with a note of this kind and name, or, where that `begins` the next phase, with its begin."""

    title: str
    kind: str
    name: str
    begins: bool = False


# The ends come one after the other; the last phase ends when the promotion is read.
_PHASES: Final = (
    _Phase("event sent → its run is claimed", "point", "claim.after_commit"),
    _Phase("→ configuration resolved, master looked at", "point", "resolve.after_commit"),
    _Phase("→ master checked and split", "task", "split"),
    _Phase("→ model fitted, packaged and on disk", "task", "upload", begins=True),
    _Phase(
        "→ files stored, model verified, both models scored",
        "point",
        "evaluate.after_commit",
    ),
    _Phase("→ decided and registered", "point", "decide.after_commit"),
    _Phase("→ alias, defaults and record show it", "point", "persist.after_commit"),
)


def phases(promotions: Sequence[tuple[Heard, Sequence[Note]]]) -> Iterator[tuple[str, float]]:
    """Each phase with its median in milliseconds; what goes on beside another is the other's."""
    ends = [_ends(heard, notes) for heard, notes in promotions]
    titles = [*(phase.title for phase in _PHASES), "→ `model.promoted` read"]
    for place, title in enumerate(titles):
        yield title, median(one[place + 1] - one[place] for one in ends) / 1e6


def _ends(heard: Heard, notes: Sequence[Note]) -> list[int]:
    found = [heard.sent]
    for phase in _PHASES:
        ours = [note for note in notes if (note.kind, note.name) == (phase.kind, phase.name)]
        moments = [note.began if phase.begins else note.ended for note in ours]
        found.append(min([*moments, heard.heard]))  # the reader may be before the worker's own note
    return [*found, heard.heard]


def timeline(heard: Heard, notes: Sequence[Note]) -> str:
    """One line per piece: begin and end in milliseconds after the event was sent, and a bar."""
    rows = sorted(_rows(heard, notes), key=lambda row: row[1])
    end = (heard.heard - heard.sent) / 1e6
    return "\n".join(
        f"{name:<34}{began:>7.0f}{ended:>7.0f}  {_bar(began, ended, end)}" for name, began, ended in rows
    )


def _rows(heard: Heard, notes: Sequence[Note]) -> Iterator[tuple[str, float, float]]:
    yield "event published", 0.0, (heard.acknowledged - heard.sent) / 1e6
    for note in notes:
        began, ended = ((moment - heard.sent) / 1e6 for moment in (note.began, note.ended))
        if note.kind == "task":
            yield f"child: {note.name}", began, ended
        elif note.kind == "mlflow":
            yield f"  MLflow: {note.name}", began, ended
        elif note.name.endswith(".after_commit"):
            yield f"committed: {note.name.partition('.')[0]}", began, ended
    yield "model.promoted read", (heard.heard - heard.sent) / 1e6, (heard.heard - heard.sent) / 1e6


def _bar(began: float, ended: float, whole: float) -> str:
    first, last = int(began / whole * _WIDTH), int(ended / whole * _WIDTH)
    return " " * min(first, _WIDTH - 1) + "█" * max(1, last - first)
