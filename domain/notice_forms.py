"""The forms of one message: as it is, ever shorter, and short; each within what a channel takes.

Channels count bytes, and some refuse what is longer than they say. So what was refused is not sent again as
it was.
"""

from typing import Final

from domain.notices import Notice
from domain.plain_text import bounded_bytes

_SHORT_TITLE: Final = 100
_BETWEEN: Final = 2  # bytes that a channel puts between a title and a body, where it knows no titles


def fitted(notice: Notice, title_bytes: int, body_bytes: int) -> Notice:
    """Cut what is longer; a channel with `title_bytes` 0 puts the title at the head of the body."""
    if title_bytes > 0:
        title, left = bounded_bytes(notice.title, title_bytes), body_bytes
    else:
        title = bounded_bytes(notice.title, max(body_bytes // 2 - _BETWEEN, 0))
        left = body_bytes - len(title.encode()) - _BETWEEN
    body = bounded_bytes(notice.body, max(left, 0))
    if notice.share < 1:
        body = bounded_bytes(body, int(len(body.encode()) * notice.share))
    return notice.model_copy(update={"title": title, "body": body, "share": 1.0})


def short_form(notice: Notice) -> Notice:
    """What happened, and where to read the rest."""
    title = bounded_bytes(notice.title, _SHORT_TITLE)
    return notice.model_copy(update={"title": title, "body": notice.whole_at})


class Forms:
    """Which form a channel is sent next, for a number of tries."""

    def __init__(self, notice: Notice, tries: int) -> None:
        self._notice = notice
        self._tries = tries
        self._refused = 0

    @property
    def first(self) -> Notice:
        """The whole message."""
        return self._notice

    def after(self, tries: int, *, refused: bool, last: bool = False) -> Notice | None:
        """What to send after so many tries, of which the last one was refused or not answered; None: no more.

        The last try is the short form, also when time leaves no other (`last`); where there is to be one try
        only, a refusal has it as well.
        """
        self._refused += refused
        if tries >= self._tries:
            return short_form(self._notice) if refused and tries == 1 else None
        if last or tries == self._tries - 1:
            return short_form(self._notice)
        return self._notice.model_copy(update={"share": 1 - self._refused / self._tries})
