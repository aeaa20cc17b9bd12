"""Small values that others keep here under a name, such as the size of their master dataset."""

from collections.abc import Sequence
from typing import Protocol

from domain.values import Value


class Variable(Value):
    """A text under a key."""

    key: str
    value: str
    description: str | None = None


class Variables(Protocol):
    """The variables of one model. Each call raises TryLater when the database does not answer."""

    async def get(self, key: str) -> Variable | None:
        """Read one."""

    async def put(self, variable: Variable) -> None:
        """Keep it, in the place of one with the same key."""

    async def patch(
        self, key: str, *, value: str | None = None, description: str | None = None
    ) -> Variable | None:
        """Change what is given of one that is there, and return it; None when there is none."""

    async def delete(self, key: str) -> bool:
        """Forget one; False when there is none."""

    async def page(self, limit: int, offset: int) -> tuple[Sequence[Variable], int]:
        """Read so many in the order of their keys behind the first `offset`, and how many there are."""
