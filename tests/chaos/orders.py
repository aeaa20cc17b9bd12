"""The test's side of armed points: give orders, and see what became of them."""

import json
from collections import Counter
from pathlib import Path

from domain.points import Point
from tests.chaos.points import WORKER
from tests.kit.eventually import eventually
from tests.kit.processes import alive


class Orders:
    """Arms points in a folder that workers and children look into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held_before: dict[Point, int] = {}
        for kind in ("kill", "hold", "go"):
            (folder / kind).mkdir(parents=True)

    def kill_at(self, point: Point, *, worker_too: bool = False) -> None:
        """Kill who passes next; of a child's point, the child alone or its worker with it."""
        (self.folder / "kill" / point).write_text(WORKER if worker_too else "", encoding="utf-8")

    def hold_at(self, point: Point) -> None:
        """Hold who passes next."""
        self._held_before[point] = len(self._holders(point))
        (self.folder / "go" / point).unlink(missing_ok=True)
        (self.folder / "hold" / point).touch()

    def go(self, point: Point) -> None:
        """Let go who is held there."""
        (self.folder / "go" / point).touch()

    def armed(self) -> set[Point]:
        """Orders to kill whose victim is not gone yet.

        Whoever watches over the workers restarts what is gone, not what was told to die a moment ago.
        """
        return {Point(order.name) for order in (self.folder / "kill").iterdir()} | self._dying()

    def _dying(self) -> set[Point]:
        found = set()
        for order in (self.folder / "dying").glob("*"):
            point, victim = order.name.split()
            if alive([int(victim)]):
                found.add(Point(point))
            else:
                order.unlink()  # its pid may come again
        return found

    def disarm(self) -> None:
        """Take back every order that nobody has carried out, and let everybody go."""
        self.free_the_disk()
        (self.folder / "disk").unlink(missing_ok=True)
        for kind in ("kill", "hold"):
            for order in (self.folder / kind).iterdir():
                self.go(Point(order.name))
                order.unlink(missing_ok=True)

    def fill_the_disk(self) -> None:
        """Let every write fail."""
        (self.folder / "full").touch()

    def free_the_disk(self) -> None:
        """Let writes succeed again."""
        (self.folder / "full").unlink(missing_ok=True)

    def refused_writes(self) -> int:
        """How many writes found no space."""
        return len(self._lines("refused"))

    def strike_the_disk(self, operation: str, *, skip: int, action: str) -> int:
        """Hit the next operation of a kind but `skip`; return how many were hit before."""
        struck = len(self._lines("struck"))
        order = {"number": struck, "operation": operation, "skip": skip, "action": action}
        draft = self.folder / "disk.draft"
        draft.write_text(json.dumps(order), encoding="utf-8")
        draft.rename(self.folder / "disk")
        return struck

    def struck(self) -> int:
        """How many operations were hit."""
        return len(self._lines("struck"))

    def killed(self) -> Counter[str]:
        """How many died at each point."""
        return Counter(line.split()[0] for line in self._lines("killed"))

    def passed(self, point: Point) -> int:
        """How often a point was passed."""
        return sum(line.startswith(f"{point} ") for line in self._lines("passed"))

    async def held(self, point: Point, *, within: float = 120.0) -> int:
        """Wait until somebody is held at a point as ordered last; return its pid."""
        holders = await eventually(lambda: self._holders(point)[self._held_before[point] :], within=within)
        return holders[0]

    def is_held(self, point: Point) -> bool:
        """True when somebody is held at a point as ordered last."""
        return len(self._holders(point)) > self._held_before[point]

    def _holders(self, point: Point) -> list[int]:
        holders = [line.split() for line in self._lines("held")]
        return [int(pid) for name, pid in holders if name == point]

    def _lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
