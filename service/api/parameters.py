"""Parameters of Laurel's own pages."""

import re
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BeforeValidator

_NUMBER: Final = re.compile(r"[\d.+-]+")


def _no_number(value: Any) -> Any:
    """A library would take seconds since 1970 as well, which the document does not promise."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        raise ValueError("must be a date and time as in RFC 3339: 2026-01-31T06:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_no_number)]
