"""Where every run is, for those who only look."""

from collections.abc import Sequence
from typing import Protocol

from domain.lifecycle import State
from domain.run import Run, TransitionRecord


class RunReads(Protocol):
    """Reads runs. Raises TryLater with `waiting_on="postgres"` when the database does not answer."""

    async def get(self, run_id: str) -> Run | None:
        """Read one run."""

    async def find(self, text: str) -> Sequence[Run]:
        """Runs whose request identity or MLflow run id is `text`, of whichever model; newest first."""

    async def search(self, text: str) -> Sequence[Run]:
        """Runs with an id that begins with `text` (run, request, correlation, MLflow run), newest first.

        At most 100, and every run is looked at: for people.
        """

    async def recent(
        self, model_name: str, limit: int, states: Sequence[State] = (), *, unfinished: bool = False
    ) -> Sequence[Run]:
        """Newest requests first."""

    async def history(self, run_id: str) -> Sequence[TransitionRecord]:
        """A run's transitions in order."""
