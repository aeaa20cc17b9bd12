"""What the suites of the stores share."""

import uuid

import pytest


@pytest.fixture
def model() -> str:
    """A model that no other test has."""
    return f"price {uuid.uuid4()}"
