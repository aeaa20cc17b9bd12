"""A small worker of its own, to be killed, stopped and interrupted: `child_owner.py FOLDER PRELOAD SCENARIO`.

It writes the pids of all its processes to FOLDER/pids, and what came of its scenario to FOLDER/outcome.
"""

import asyncio
import signal
import sys
import time
from pathlib import Path

from domain.errors import LaurelError
from service.processes.child_settings import ForkSettings
from service.processes.pool import Children, ChildSet

_TASKS = "tests.integration.child_tasks"


def _say(path: Path, text: str) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    temporary.rename(path)


async def _at_work(folder: Path, children: ChildSet) -> str:
    """Both children work, with descendants, for ever."""
    names = ("train", "side")
    tasks = (
        children.run(name, f"{_TASKS}:work_with_descendants", started=str(folder / name)) for name in names
    )
    await asyncio.gather(*tasks)
    return "ended"


async def _lease(folder: Path, children: ChildSet) -> str:
    """A child works while nobody renews the lease."""
    children.hold_until(time.monotonic() + 3.0)
    try:
        await children.run("train", f"{_TASKS}:work_with_descendants", started=str(folder / "train"))
    except LaurelError as error:
        return f"{type(error).__name__} {error.reason}"
    return "ended"


async def _interrupt(folder: Path, children: ChildSet) -> str:
    """The worker hears SIGINT and SIGTERM itself, and its child brings the task to its end."""
    heard = {number: asyncio.Event() for number in (signal.SIGINT, signal.SIGTERM)}
    for number, event in heard.items():
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    task = asyncio.create_task(children.run("train", f"{_TASKS}:wait_for", path=str(folder / "gate")))
    _say(folder / "listening", "")
    for event in heard.values():
        await event.wait()
    (folder / "gate").touch()
    return str(await task)


_SCENARIOS = {"at_work": _at_work, "lease": _lease, "interrupt": _interrupt}


async def _main(folder: Path, preload: tuple[str, ...], scenario: str) -> None:
    children = Children(ForkSettings(preload=preload))
    await children.start()
    async with children.lease() as leased:
        _say(folder / "pids", " ".join(map(str, children.pids().values())))
        _say(folder / "outcome", await _SCENARIOS[scenario](folder, leased))
    await children.stop()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), tuple(filter(None, sys.argv[2].split(","))), sys.argv[3]))
