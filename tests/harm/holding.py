"""Points that stop where a test wants to look, and go on when it says so."""

import asyncio

from domain.points import Point, Points


class HoldAt(Points):
    """Holds the first pass of one point until `go` is set."""

    def __init__(self, point: Point) -> None:
        self.reached = asyncio.Event()
        self.go = asyncio.Event()
        self._point = point

    def hold_next(self, point: Point) -> None:
        """Hold the next pass of another point; whoever is held goes on."""
        self.go.set()
        self.reached, self.go, self._point = asyncio.Event(), asyncio.Event(), point

    async def at(self, point: Point) -> None:
        """Hold there once."""
        if point is self._point and not self.reached.is_set():
            self.reached.set()
            await self.go.wait()
