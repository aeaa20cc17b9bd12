"""Tells when verdicts repeat themselves, from what the run store holds: no restart forgets the count."""

from domain.events import Event, ModelDeclined
from domain.notices import Notice, repeated_notice
from domain.ports.notices import PastVerdicts
from domain.streaks import MOST, streak_at


class RepeatedVerdicts:
    """Knows at which decline people are notified."""

    def __init__(self, past: PastVerdicts) -> None:
        self._past = past

    async def notice(self, event: Event, event_id: str) -> Notice | None:
        """The further message about an event; None for nearly all. Raises TryLater."""
        if not isinstance(event, ModelDeclined):
            return None
        kind = streak_at(await self._past.up_to(event.run_id, MOST))
        return None if kind is None else repeated_notice(event, event_id, kind)
