"""A stage for each test, and what was logged on it."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.worlds.stage import Stage


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged; not rendered, since a traceback with its locals takes seconds."""
    with capture_logs() as captured:
        yield captured


@pytest.fixture
async def stage() -> Stage:
    """Everything on fakes, nobody champion."""
    return Stage()
