"""Moments that a person types."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import typer

MOMENT: Final = "a time as 2026-11-17 12:00, 2026-11-17T12:00:30Z or 2026-11-17T12:00+01:00"


def moment(text: str) -> datetime:
    """Read a time in ISO 8601, in this machine's time zone unless it names one. Raises BadParameter."""
    try:
        at = datetime.fromisoformat(text.strip())
        return at if at.tzinfo else at.astimezone()
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter(f"{text!r} is no time that is known here; give {MOMENT}") from None
