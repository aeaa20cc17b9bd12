"""A notifier that is killed around its first message: `python -m …killed_notifier before|after`."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial

from config.settings import Settings
from domain.notices import Notice
from domain.ports.notices import Channel
from service.notifications.root import channels_of, open_notifier
from service.runtime.metrics import Metrics
from service.runtime.role import Role


class Deadly:
    """A channel whose process dies with its first message: before it was sent, or after it arrived."""

    def __init__(self, channel: Channel, when: str) -> None:
        self.name = channel.name
        self._channel = channel
        self._when = when

    async def send(self, notice: Notice) -> None:
        """Die."""
        if self._when == "after":
            await self._channel.send(notice)
        os.kill(os.getpid(), signal.SIGKILL)


def deadly(settings: Settings) -> Sequence[Channel]:
    """The channels of the settings, each of them deadly."""
    return [Deadly(channel, sys.argv[1]) for channel in channels_of(settings)]


async def main() -> None:
    """Live as `laurel notifier` does."""
    metrics = Metrics()
    opened = partial(open_notifier, Settings(), metrics, open_them=deadly)
    role = Role("notifier", opened, metrics, grace_seconds=5)
    await role.run("127.0.0.1", 0)


if __name__ == "__main__":
    asyncio.run(main())
