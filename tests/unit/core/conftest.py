"""A stage for each test."""

import pytest

from tests.unit.core.stage import Stage


@pytest.fixture
async def stage() -> Stage:
    """Everything on fakes, nobody champion."""
    return Stage()
