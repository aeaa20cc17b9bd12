"""The load in a process of its own, so that whoever moves the alias does not hold its requests up."""

import asyncio
import multiprocessing
from multiprocessing.connection import Connection as Pipe
from typing import Final, Self

import uvloop

from bench.load.open_loop import Call, Plan, load

_SPAWN: Final = multiprocessing.get_context("spawn")
_END_SECONDS: Final = 60.0


class LoadApart:
    """Runs while its block does; `calls` are there when the block has ended."""

    def __init__(self, plan: Plan) -> None:
        self._ours, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_main, args=(plan, theirs), daemon=True)
        self._theirs = theirs
        self.calls: list[Call] = []

    def __enter__(self) -> Self:
        """Begin."""
        self._process.start()
        self._theirs.close()
        return self

    def __exit__(self, *_: object) -> None:
        """Let no more requests go, and take over what became of all."""
        self._ours.send("over")
        if not self._ours.poll(_END_SECONDS):
            self._process.kill()
            raise SystemExit("the load does not end")
        self.calls = self._ours.recv()
        self._process.join()


def _main(plan: Plan, pipe: Pipe) -> None:
    calls: list[Call] = []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(load(plan, pipe.poll, calls))
    pipe.send(calls)
