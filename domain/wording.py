"""What sentences for people are made of: counted nouns, the value somebody may have meant, harmless text.

Text from strangers is made fit for chats, mails, terminals, logs and Markdown: printable, shown as it is,
and it commands nothing.
"""

import json
import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from difflib import get_close_matches
from itertools import islice
from typing import Final

_UNITS: Final = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


def counted(number: int, one: str, several: str) -> str:
    """Put a number before the form that fits it: `1 row`, `2 rows`."""
    return f"{number} {one if number == 1 else several}"


def byte_count(number: int) -> str:
    """A size as settings have it, and in the unit that people read: `1048577 bytes (1.0 MiB)`."""
    exact = counted(number, "byte", "bytes")
    for unit, size in _UNITS:
        if number >= size:
            whole = number % size == 0
            return f"{exact} ({number // size if whole else f'{number / size:.1f}'} {unit})"
    return exact


def iso_time(at: datetime) -> str:
    """A moment to the second in UTC, wherever this machine stands."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


_MOST_LOOKED_AT: Final = 2_000  # values, each of which is compared sign by sign
_LONGEST: Final = 200  # signs


def nearest(value: object, allowed: Iterable[object]) -> object | None:
    """Find the value nearest to `value`, of its own kind; None when nothing is near.

    Two texts that differ in case, accents or spaces alone are as near as can be.
    """
    candidates = islice(allowed, _MOST_LOOKED_AT)
    if isinstance(value, str):
        return _nearest_text(value, [one for one in candidates if isinstance(one, str)])
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    numbers = [one for one in candidates if isinstance(one, int | float)]
    return min(numbers, key=lambda number: abs(number - value), default=None)


def suggestion(name: str, allowed: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: which one was probably meant; empty when none is near."""
    found = nearest(name, allowed)
    return "" if found is None else f" (did you mean {found}?)"


def _nearest_text(value: str, texts: list[str]) -> str | None:
    folded = {_folded(text): text for text in reversed(texts)}
    close = get_close_matches(_folded(value), folded, n=1)
    return folded[close[0]] if close else None


def _folded(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text[:_LONGEST])
    plain = "".join(sign for sign in apart if not unicodedata.combining(sign))
    return " ".join(plain.casefold().split())


# Look-alikes where a sign would make a mention, a tag, a link or code in one of the places it may come to.
_HARMLESS: Final = str.maketrans({"<": "‹", ">": "›", "@": "＠", "`": "ˋ", "*": "∗", "|": "¦"})  # noqa: RUF001 - look-alikes
_LINK: Final = re.compile(r"://|\]\(|~~|__+|www\.", re.IGNORECASE)
_CUT: Final = "…"
_NOT_ASCII: Final = re.compile(r"[^\n -~]")


def plain(text: str, longest: int) -> str:
    """One line that says the same to a person and commands nothing: no mention, link, tag or control sign.

    At most `longest` characters; a cut is shown by an ellipsis.
    """
    # More than fits is not looked at: a request may hold a megabyte.
    head = text[: 4 * longest]
    printable = "".join(sign if sign.isprintable() else " " for sign in head)
    harmless = _LINK.sub(lambda found: f"{found[0][0]} {found[0][1:]}", printable.translate(_HARMLESS))
    return bounded(" ".join(harmless.split()), longest)


def bounded(text: str, longest: int) -> str:
    """The text, cut with an ellipsis where it is longer."""
    return text if len(text) <= longest else text[: longest - len(_CUT)] + _CUT


def bounded_bytes(text: str, most: int) -> str:
    """The text, cut between two characters and with an ellipsis where its UTF-8 is longer."""
    whole = text.encode()
    if len(whole) <= most:
        return text
    left = most - len(_CUT.encode())
    return whole[:left].decode(errors="ignore") + _CUT if left >= 0 else ""


def visible(text: str) -> str:
    """One line: what would command a terminal, begin another line or turn text around is spelled out."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def visible_json(text: str) -> str:
    """The same JSON with such signs as its escapes; its own line breaks stay."""
    return _NOT_ASCII.sub(
        lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], text
    )


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
