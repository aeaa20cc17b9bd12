"""Text from strangers, made fit for chats, mails, terminals and logs: printable, and it commands nothing."""

import json
import re
from typing import Final

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
