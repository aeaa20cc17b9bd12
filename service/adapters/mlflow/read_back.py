"""Create once: after an unclear answer, look whether it happened, and adopt what is there."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from domain.errors import NeverRetry, TryLater
from service.adapters.mlflow.errors import is_unclear

Found = TypeVar("Found")

ORPHAN_TAG: Final = "laurel.orphan"


async def find_or_create(
    find: Callable[[], Awaitable[Found | None]], create: Callable[[], Awaitable[Found]], *, is_new: bool
) -> Found:
    """Return what is there, else create it: one creating request at the most.

    What `is_new`, because nobody can have asked for it before, is looked for only after an unclear answer.
    """
    found = None if is_new else await find()
    return await create_or_adopt(create, find) if found is None else found


async def create_or_adopt(
    create: Callable[[], Awaitable[Found]], find: Callable[[], Awaitable[Found | None]]
) -> Found:
    """Create, and after an unclear answer return what was created all the same.

    Raises TryLater when nothing is to be seen of it; a repeat has to look first.
    """
    try:
        return await create()
    except TryLater as error:
        if not is_unclear(error) or (found := await find()) is None:
            raise
        return found


def quoted(value: str) -> str:
    """Write a value down for one of MLflow's filters, which know no escapes. Raises NeverRetry."""
    quote = '"' if "'" in value else "'"
    if quote in value:
        raise NeverRetry(
            "mlflow_refused", "MLflow cannot search for a text with both kinds of quotes", text=value
        )
    return f"{quote}{value}{quote}"
