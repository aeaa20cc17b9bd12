"""The documents that a task is given, read back into the domain's values."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from domain.errors import NeverRetry
from domain.values import Value

Document = TypeVar("Document", bound=Value)


def parse(kind: type[Document], document: Mapping[str, Any]) -> Document:
    """Read a document. Raises NeverRetry `bad_config` with every fault, and without the values."""
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise NeverRetry("bad_config", f"{kind.__name__}: {'; '.join(faults)}", faults=faults) from None
