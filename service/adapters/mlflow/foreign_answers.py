"""Answers that are not MLflow's: a proxy's limits, login pages, gateways in trouble; told by their own words.

A status that says "what you send is too much" is final: the same bytes meet the same limit. Everything else
may pass, and asks to come back later.
"""

import html
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from domain.errors import LaurelError, NeverRetry, TryLater
from domain.strict_json import NotStrictJson, parse_json

_LONGEST: Final = 120  # characters of an answer that are shown
_READ: Final = 1 << 16  # bytes of an answer that are looked at
_LIMITS: Final = {
    411: "it requires a length",
    413: "the body is too large",
    414: "the address is too long",
    415: "it does not accept this type",
    431: "the headers are too large",
}
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_LOGIN: Final = frozenset({401, 403, 407, 511})
_UNSEEN: Final = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.DOTALL | re.IGNORECASE)


class ForeignAnswer(NamedTuple):
    """What came back; `location` is where a redirect leads to."""

    status: int
    body: bytes
    location: str = ""


class Sent(NamedTuple):
    """What the request carried: a file, or the fields of a call, with its size in bytes."""

    name: str
    size: int


def foreign_answer(doing: str, answer: ForeignAnswer, sent: Sent | None, hide: Sequence[str]) -> LaurelError:
    """Make the error for an answer that is not MLflow's. `hide` are secrets that it may repeat."""
    if sent is not None and answer.status in _LIMITS:
        return _over_a_limit(doing, answer, sent, hide)
    detail, words = _described(answer, hide), first_words(answer.body, hide)
    return TryLater(
        "mlflow_foreign_answer",
        f"what answers at MLFLOW_TRACKING_URI is not MLflow ({doing}: {detail}){_advice(answer, hide)}",
        waiting_on="mlflow",
        doing=doing,
        status=answer.status,
        words=words,
        detail=detail,
        unclear=True,
    )


def first_words(body: bytes, hide: Sequence[str] = ()) -> str:
    """The beginning of what a person would read there: printable, bounded, without tags and secrets."""
    text = html.unescape(_UNSEEN.sub(" ", body[:_READ].decode("utf-8", "replace")))
    for secret in hide:
        text = text.replace(secret, "***")
    seen = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(seen.split())[:_LONGEST]


def _over_a_limit(doing: str, answer: ForeignAnswer, sent: Sent, hide: Sequence[str]) -> NeverRetry:
    return NeverRetry(
        "upload_refused",
        f"{sent.name} ({sent.size} bytes) is refused on its way to MLflow "
        f"({doing}: {_described(answer, hide)}): "
        f"{_LIMITS[answer.status]}. It is a proxy's limit, not MLflow's: raise it there "
        "(nginx: client_max_body_size), or send less",
        doing=doing,
        status=answer.status,
        file=sent.name,
        bytes=sent.size,
        words=first_words(answer.body, hide),
    )


def _described(answer: ForeignAnswer, hide: Sequence[str]) -> str:
    phrase = _phrase(answer.status)
    status = f"status {answer.status} {phrase}" if phrase else f"status {answer.status}"
    words = first_words(answer.body, hide)
    return f"{status}, {_kind(answer.body)}" + (f' that begins "{words}"' if words else "")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _kind(body: bytes) -> str:
    if not body:
        return "an empty body"
    if body[:_READ].lstrip()[:1] == b"<":
        return "a page"
    try:
        parse_json(body)
    except NotStrictJson:
        return f"a text of {len(body)} bytes"
    return "JSON that is not MLflow's"


def _advice(answer: ForeignAnswer, hide: Sequence[str]) -> str:
    if answer.status in _REDIRECTS:
        return f"; it redirects to {_place(answer.location, hide)}: a login page, or MLflow has moved"
    if answer.status in _LOGIN:
        return "; a proxy or a gateway requires a login: does it accept MLFLOW__TOKEN or MLFLOW__USERNAME?"
    return ""


def _place(location: str, hide: Sequence[str]) -> str:
    """Where to, without what such an address carries along: tickets, states, users."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return "an address that cannot be read"
    host = parts.netloc.rpartition("@")[2]
    return first_words(f"{parts.scheme}://{host}{parts.path}".encode() if host else parts.path.encode(), hide)
