"""Takes secrets out of whatever is written: the one place that knows how a secret may be spelled."""

import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

HIDDEN: Final = "***"
_SHORTEST_SECRET: Final = 4  # a shorter one would black out half of every line
_CREDENTIALS_IN_URL: Final = re.compile(r"(?<=://)[^/\s:@\"']*:[^/\s@\"']+(?=@)")
_BEARER: Final = re.compile(r"(?<=Bearer )[\w.~+/=-]+")


class Mask:
    """Takes secrets out of texts: the ones it was told, and what looks like one in a URL or a header."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= _SHORTEST_SECRET}
        # The longest first, so that none hides only a part of another.
        self._secrets = tuple(sorted(forms, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        """The text with every secret replaced."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return _BEARER.sub(HIDDEN, _CREDENTIALS_IN_URL.sub(HIDDEN, text))


def _forms(secret: str) -> set[str]:
    """A secret as it may stand in a URL, in JSON, in a repr."""
    return {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
    }
