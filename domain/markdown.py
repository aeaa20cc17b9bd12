"""Names and sentences of strangers on a page of Markdown: shown as they are, never taken for markup."""

import re
from typing import Final

_MARKS: Final = re.compile(r"[\\`*\[\]<>|~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LINKS: Final = re.compile(r":(?=//)|(?<=www)\.", re.IGNORECASE)
_LEADING: Final = re.compile(r"^(#|[-+=](?![A-Za-z0-9.])|(?<![0-9])[0-9]+(?=[.)] ))")
_FENCES: Final = re.compile(r"`+")


def escaped(text: str) -> str:
    """One line that shows the text: what Markdown would read as a mark, a link or HTML is escaped."""
    line = _LINKS.sub(r"\\\g<0>", _MARKS.sub(r"\\\g<0>", _one_line(text)))
    return _LEADING.sub(_escaped_lead, line)


def code(text: str) -> str:
    """The text as code; its own backticks end nothing."""
    line = _one_line(text)
    longest = max(map(len, _FENCES.findall(line)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest or not line.strip() else ""
    return f"{fence}{space}{line}{space}{fence}"


def _one_line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _escaped_lead(found: re.Match[str]) -> str:
    """A number with a dot begins a list, where the number itself cannot be escaped."""
    return f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}"
