"""Small values that others keep here under a name, such as the size of their master dataset."""

from collections.abc import Sequence
from typing import Final, Literal, Protocol

from domain.values import Value

MASTER_ROWS: Final = "CURRENT_MASTER_ROWS"
# Where the count is kept that a worker records; nobody else writes or reads under it.
RECORDED_ROWS: Final = "laurel.master_rows"


class Variable(Value):
    """A text under a key."""

    key: str
    value: str
    description: str | None = None


OrderedBy = Literal["key", "value"]


class Variables(Protocol):
    """The variables of one model. Each call raises TryLater when the database does not answer.

    `MASTER_ROWS` is there without having been set as soon as a worker has recorded the count.
    """

    async def get(self, key: str) -> Variable | None:
        """Read one."""

    async def put(self, variable: Variable) -> None:
        """Keep it, in the place of one with the same key."""

    async def patch(
        self, key: str, *, value: str | None = None, description: str | None = None
    ) -> Variable | None:
        """Change what is given of one that is there, and return it; None when there is none.

        A value sets one that is only recorded; a description alone does not.
        """

    async def delete(self, key: str) -> bool:
        """Forget one that was set; False when there is none. The recorded count then shows again."""

    async def page(
        self, limit: int, offset: int, *, by: OrderedBy = "key", backwards: bool = False
    ) -> tuple[Sequence[Variable], int]:
        """Read so many in this order after the first `offset`, and how many there are."""
