"""The remote that holds every version of the data: which one it is, and what it was given."""

from collections.abc import Sequence
from typing import Protocol


class Remotes(Protocol):
    """What is known of the remotes of one model. Raises TryLater when the store does not answer."""

    async def claim(self, address: str, remote_id: str) -> str:
        """Record the id of a remote that is used for the first time; return the one that is recorded.

        An address holds no secret: another password does not make another remote.
        """

    async def marked(self, address: str) -> str | None:
        """The id that the remote at this address was seen to bear; None until then."""

    async def mark(self, address: str) -> None:
        """Record that the remote has its id. Safe to repeat."""

    async def older_objects(self, count: int) -> Sequence[str]:
        """The hashes of objects that were pushed before, by so many runs, taken by chance."""
