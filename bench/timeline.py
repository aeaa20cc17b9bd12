"""Where the time of one promotion goes."""

from collections.abc import Iterator, Sequence

from bench.notes import Note
from bench.wire import Heard

_WIDTH = 44


def mlflow_calls(notes: Sequence[Note]) -> int:
    """How many requests went to MLflow before the promotion was read."""
    return sum(note.kind == "mlflow" for note in notes)


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
