"""The port `AliasWrites` in memory."""

from datetime import timedelta

from tests.fakes.memory import Memory


class FakeAliasWrites:
    """Open records by number."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.memory = memory or Memory()

    async def open(self, model_name: str, version: int, writer: str) -> int:
        self.memory.alias_writes_made += 1
        self.memory.alias_writes[self.memory.alias_writes_made] = (
            model_name,
            version,
            writer,
            self.memory.now(),
        )
        return self.memory.alias_writes_made

    async def close(self, number: int) -> None:
        self.memory.alias_writes.pop(number, None)

    async def is_open(self, model_name: str, version: int) -> bool:
        return any(record[:2] == (model_name, version) for record in self.memory.alias_writes.values())

    async def traffic(self, model_name: str) -> tuple[int, int]:
        still_open = [record for record in self.memory.alias_writes.values() if record[0] == model_name]
        return self.memory.alias_writes_made, len(still_open)

    async def settled(self, model_name: str, seconds: float) -> list[int]:
        latest = self.memory.now() - timedelta(seconds=seconds)
        return [
            number
            for number, record in self.memory.alias_writes.items()
            if record[0] == model_name and record[3] <= latest
        ]
