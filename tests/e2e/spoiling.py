"""Tasks of a worker whose forests come out so that no server could serve them."""

from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

from service.tasks import train as product
from service.tasks.golden_rows import golden_rows


def train(**arguments: Any) -> dict[str, Any]:
    """Train; of a random forest the package holds a row that requests refuse."""
    if arguments["model"]["model"]["type"] != "random_forest":
        return product.train(**arguments)
    with patch.object(product, "golden_rows", _spoiled):
        return product.train(**arguments)


def _spoiled(table: Any, columns: Sequence[str], fitted: Any) -> dict[str, Any]:
    golden = golden_rows(table, columns, fitted)
    golden["rows"][1]["area"] = "wide"
    return golden
