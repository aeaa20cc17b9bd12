"""A way to people: a chat room, a mailbox, a webhook."""

from typing import Protocol

from domain.notices import Notice


class Channel(Protocol):
    """`name` tells it from the others and holds nothing of its address, which may be a secret."""

    @property
    def name(self) -> str:
        """Such as `slack-3f2a9c`, the same in every process."""

    async def send(self, notice: Notice) -> None:
        """Send one message. Raises TryLater `channel_unavailable` when it was not taken in time."""
