"""The one call of the run store that an inbox makes, in memory."""

from domain.errors import TryLater
from domain.ports.run_store import Added
from domain.request import ReceivedRequest


class FakeInboxStore:
    """`RunStore.add` alone, by identity; `away` makes it answer as a store whose database is gone does."""

    def __init__(self) -> None:
        self.rows: dict[str, ReceivedRequest] = {}
        self.calls = 0
        self.away = False

    async def add(self, request: ReceivedRequest) -> Added:
        """Store a request unless its identity is there already."""
        self.calls += 1
        if self.away:
            raise TryLater("postgres_unavailable", "the database is away", waiting_on="postgres")
        first = self.rows.setdefault(request.identity, request)
        if first is request:
            return Added.NEW
        return Added.KNOWN if first.payload == request.payload else Added.CONFLICT
