"""The port `MasterRows` in memory."""


class FakeMasterRows:
    """Keeps the last number."""

    def __init__(self) -> None:
        self.rows: int | None = None

    async def record(self, rows: int) -> None:
        self.rows = rows
