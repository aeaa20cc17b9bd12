"""Text from strangers, made fit for a chat or a mail: bounded, printable, and without markup."""

import re
from typing import Final

# Look-alikes where a sign would make a mention, a tag, a link or code in one of the places it may come to.
_HARMLESS: Final = str.maketrans({"<": "‹", ">": "›", "@": "＠", "`": "ˋ", "*": "∗", "|": "¦"})  # noqa: RUF001
_LINK: Final = re.compile(r"://|\]\(|~~|__+|www\.", re.IGNORECASE)
_CUT: Final = "…"


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
