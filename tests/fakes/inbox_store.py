"""The run store in memory, as an inbox sees it."""

from collections.abc import Mapping

from domain.errors import TryLater
from domain.ports.run_store import Added
from domain.request import ReceivedRequest
from domain.run import Run
from tests.fakes.run_store import FakeRunStore


class FakeInboxStore(FakeRunStore):
    """Counts what is offered; `away` makes it answer as a store whose database is gone does.

    `fault` is what it raises instead of storing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.away = False
        self.fault: Exception | None = None

    @property
    def rows(self) -> Mapping[str, Run]:
        """What is stored, by identity."""
        return {row.run.identity: row.run for row in self.memory.runs.values()}

    async def add(self, request: ReceivedRequest) -> Added:
        """Store a request unless its identity is there already."""
        self.calls += 1
        if self.away:
            raise TryLater("postgres_unavailable", "the database is away", waiting_on="postgres")
        if self.fault is not None:
            raise self.fault
        return await super().add(request)
