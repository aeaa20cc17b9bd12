"""A logger whose library is imported with the first line that it writes: most commands write none."""

from collections.abc import Callable


class LaterLog:
    """Stands for `structlog.get_logger(name)`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, method: str) -> Callable[..., None]:
        """Return what writes at one level."""
        import structlog  # noqa: PLC0415 - it brings rich, which takes longer than a command's whole work

        write: Callable[..., None] = getattr(structlog.get_logger(self._name), method)
        return write
