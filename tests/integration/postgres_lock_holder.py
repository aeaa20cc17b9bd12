"""Holds a lock until it is killed: `python -m tests.integration.postgres_lock_holder URL KIND`.

It prints what it holds, and once more when it has lost it.
"""

import asyncio
import sys

from service.adapters.postgres.database import open_database
from service.adapters.postgres.outbox import PostgresOutbox
from service.adapters.postgres.session_lock import hold_worker_identity

RELAY_IDLE_SECONDS = 1.0


async def be_the_relay(url: str) -> None:
    """Ask again and again, as a relay does."""
    async with open_database(url) as database:
        outbox = PostgresOutbox(database, "price", relay_idle_seconds=RELAY_IDLE_SECONDS)
        held = False
        while True:
            if held != (held := await outbox.try_to_be_the_relay()):
                sys.stdout.write("holds\n" if held else "lost\n")
                sys.stdout.flush()
            await asyncio.sleep(0.1)


async def be_a_worker(url: str) -> None:
    """Hold a name for ever."""
    async with open_database(url) as database, hold_worker_identity(database, "host") as identity:
        sys.stdout.write(f"{identity.name}\n")
        sys.stdout.flush()
        await identity.keep()


if __name__ == "__main__":
    asyncio.run({"relay": be_the_relay, "worker": be_a_worker}[sys.argv[2]](sys.argv[1]))
