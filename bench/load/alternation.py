"""Two registered models between which the alias moves: each move is a promotion, and a new generation."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import httpx

from bench.load.judge import Truth
from service.adapters.pyarrow.datasets import frame_of_rows
from service.models.load import ModelFolder
from tests.worlds.registered_models import ModelShelf, Registered, manifest_of

_SECONDS = 30.0


class Move(NamedTuple):
    """One promotion and its reloads: begin and end (monotonic), and each replica's status and answer."""

    generation: int
    began: float
    alias_moved: float
    ended: float
    answers: Sequence[tuple[int, Mapping[str, Any]]]


class Alternation:
    """Promotes one of two models and the other in turn, as the worker does, and has the replicas reload."""

    def __init__(self, shelf: ModelShelf, pair: tuple[Registered, Registered], token: str) -> None:
        self._shelf = shelf
        self._pair = pair
        self._headers = {"Authorization": f"Bearer {token}"}
        self._versions: dict[int, str] = {}

    @classmethod
    async def begin(
        cls, shelf: ModelShelf, packages: tuple[Mapping[str, bytes], Mapping[str, bytes]], token: str
    ) -> Self:
        """Register both, and promote the first as generation 1."""
        first, second = [await shelf.register(package, None) for package in packages]
        made = cls(shelf, (first, second), token)
        await made._promote()
        return made

    async def move(self, ports: Sequence[int]) -> Move:
        """Promote the other model and reload every replica, all at once."""
        began = time.monotonic()
        guard = await self._promote()
        moved = time.monotonic()
        async with httpx.AsyncClient(headers=self._headers, trust_env=False, timeout=_SECONDS) as client:
            urls = [f"http://127.0.0.1:{port}/reload" for port in ports]
            answers = await asyncio.gather(*(client.post(url, json=guard) for url in urls))
        told = [(answer.status_code, answer.json()) for answer in answers]
        return Move(guard["generation"], began, moved, time.monotonic(), told)

    def truth(self, rows: Sequence[Mapping[str, Any]], scratch: Path) -> Truth:
        """What each version says of the rows, asked of its pipeline itself, without a server."""
        said = {
            str(made.version.version): _predictions(made.package, rows, scratch / str(made.version.version))
            for made in self._pair
        }
        return Truth(said, self._versions)

    async def _promote(self) -> dict[str, int]:
        """Tag the version with its generation before the alias moves, as the ledger's projector does."""
        generation = len(self._versions) + 1
        made = self._pair[(generation - 1) % 2]
        number, name = made.version.version, self._shelf.model_name
        self._versions[generation] = str(number)
        await self._shelf.registry.tag_version(name, number, {"laurel.generation": str(generation)})
        await self._shelf.point(made)
        return {"generation": generation, "version": number}


def _predictions(
    package: Mapping[str, bytes], rows: Sequence[Mapping[str, Any]], folder: Path
) -> list[float]:
    for path, data in package.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    model = ModelFolder(str(folder), manifest_of(package)).load()
    columns = list(model.columns)
    frame = frame_of_rows([{name: row.get(name) for name in columns} for row in rows])
    return [float(value) for value in model.predict(frame)]
