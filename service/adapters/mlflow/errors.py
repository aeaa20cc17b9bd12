"""MLflow's answers and failures, sorted once by the reaction that they ask for.

Only a JSON object with MLflow's own error code is MLflow speaking. Everything else (a proxy's page, half an
answer, silence) says nothing about runs or versions, and is told by its own words. A status that says "what
you send is too much" is final: the same bytes meet the same limit. The others may pass, and ask to come back
later.
"""

import html
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

from domain.errors import LaurelError, NeverRetry, TryLater
from domain.strict_json import NotStrictJson, object_in, parse_json
from service.adapters.mlflow.answer_types import MlflowAnswer

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


ABSENT: Final = "RESOURCE_DOES_NOT_EXIST"
EXISTS: Final = "RESOURCE_ALREADY_EXISTS"
INVALID: Final = "INVALID_PARAMETER_VALUE"
_OF_ITS_DATABASE: Final = "BAD_REQUEST"

# Codes by which MLflow says "not now". BAD_REQUEST is among them because its SQL store gives that code to
# every error of its database but one; a malformed request is INVALID_PARAMETER_VALUE.
_NOT_NOW: Final = frozenset(
    {
        _OF_ITS_DATABASE,
        "INTERNAL_ERROR",
        "TEMPORARILY_UNAVAILABLE",
        "REQUEST_LIMIT_EXCEEDED",
        "ENDPOINT_NOT_FOUND",
        "DEADLINE_EXCEEDED",
        "CANCELLED",
        "ABORTED",
    }
)
_OK: Final = 200
_BUSY: Final = 429
_BROKEN: Final = 500
_DOORKEEPERS: Final = {
    (401, "You are not authenticated"): "MLflow requires a login; set MLFLOW__USERNAME and MLFLOW__PASSWORD, "
    "or MLFLOW__TOKEN, as it knows them",
    (403, "Permission denied"): "MLflow does not permit this user to do that; grant the permission there",
    (403, "Invalid Host header"): "MLflow does not accept this host name; add it to its --allowed-hosts",
}
_DELETED_CODES: Final = {"experiment": "mlflow_experiment_deleted", "run": "mlflow_run_deleted"}
_DELETED: Final = re.compile(r"The (experiment|run) (\w+) must be in the 'active' state")
_LONGEST_DETAIL: Final = 1000  # holds the longest name that MLflow takes


def unavailable(doing: str, detail: str, *, unclear: bool = True, advice: str = "") -> TryLater:
    """MLflow did not answer, or not as MLflow answers.

    `unclear` is False when the request cannot have reached the server; else it may have been carried out.
    `advice` says what to do, if that is known.
    """
    fix = {"advice": advice} if advice else {}
    return TryLater(
        "mlflow_unavailable",
        f"MLflow gives an unexpected answer ({doing}: {detail})" + (f"; {advice}" if advice else ""),
        waiting_on="mlflow",
        doing=doing,
        detail=detail,
        unclear=unclear,
        **fix,
    )


def refused(doing: str, code: str, detail: str) -> NeverRetry:
    """MLflow understood the request and said no, with this code of its own."""
    return NeverRetry(
        "mlflow_refused",
        f"MLflow refuses ({doing}: {code}: {detail})",
        doing=doing,
        code=code,
        detail=detail,
    )


def deleted(doing: str, kind: str, number: str, called: str = "") -> TryLater:
    """Somebody deleted the experiment or the run that is written to; MLflow keeps both, to be restored.

    `kind` is "experiment" or "run", `number` its id, `called` its name.
    """
    otherwise = ", or set another MLFLOW_EXPERIMENT" if kind == "experiment" else ""
    advice = f"restore it (mlflow {kind}s restore --{kind}-id {number}){otherwise}"
    return TryLater(
        _DELETED_CODES[kind],
        f"the {kind} {called or number} is deleted in MLflow ({doing}); {advice}",
        waiting_on=f"mlflow_{kind}",
        doing=doing,
        advice=advice,
        **{f"{kind}_id": number},
    )


@contextmanager
def well_formed(doing: str) -> Iterator[None]:
    """Read an answer's fields: one that lacks them was not MLflow's, whatever its status."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise unavailable(doing, "the answer lacks fields of MLflow's answers") from error


def is_unclear(error: LaurelError) -> bool:
    """True when what was asked for may have happened all the same."""
    return bool(error.facts.get("unclear"))


def code_of(error: LaurelError) -> str | None:
    """MLflow's own code in a refusal; None when it was not MLflow that spoke."""
    return error.facts.get("code")


def says_absent(error: LaurelError, name: str) -> bool:
    """True when MLflow itself says that the thing it was asked for, by this name, does not exist."""
    return code_of(error) == ABSENT and name in str(error.facts.get("detail"))


def is_of_its_database(error: LaurelError) -> bool:
    """True when MLflow's database refused a write, as it does to one of two that insert the same row."""
    return _OF_ITS_DATABASE in str(error.facts.get("detail"))


def read_answer(
    doing: str, answer: ForeignAnswer, sent: Sent | None = None, hide: Sequence[str] = ()
) -> MlflowAnswer:
    """Return the JSON object of a good answer; raise for any other. `hide` are secrets that it may repeat."""
    status, found = answer.status, cast("MlflowAnswer | None", object_in(answer.body))
    if status == _OK and found is not None:
        return found
    code = (found or {}).get("error_code")
    if not isinstance(code, str):
        raise _without_a_code(doing, answer, sent, hide)
    detail = _first_line((found or {}).get("message"))
    if code in _NOT_NOW or status == _BUSY or status >= _BROKEN:
        raise unavailable(doing, f"status {status}, {code}: {detail}")
    if code == INVALID and (thing := _DELETED.match(detail)):
        raise deleted(doing, thing[1], thing[2])
    raise refused(doing, code, detail)


def require_stored(
    doing: str, answer: ForeignAnswer, sent: Sent | None = None, hide: Sequence[str] = ()
) -> None:
    """Accept MLflow's answer to an upload, which is empty; raise for any other."""
    if answer.status != _OK or answer.body:
        read_answer(doing, answer, sent, hide)


def _without_a_code(doing: str, answer: ForeignAnswer, sent: Sent | None, hide: Sequence[str]) -> LaurelError:
    """MLflow's doorkeepers answer in plain text; everybody else who does is somebody else."""
    words = first_words(answer.body, hide)
    for (status, beginning), meaning in _DOORKEEPERS.items():
        if answer.status == status and words.startswith(beginning):
            return unavailable(doing, f"status {status}, {beginning}: {meaning}")
    return foreign_answer(doing, answer, sent, hide)


def read_library_error(doing: str, error: Exception) -> LaurelError:
    """Sort an error of MLflow's library, which has the server's codes, or of a store's own client."""
    code = getattr(error, "error_code", None)
    if isinstance(code, str) and code not in _NOT_NOW:
        return refused(doing, code, _first_line(error))
    return unavailable(doing, type(error).__name__)


def _first_line(message: object) -> str:
    """MLflow's sentence without the SQL and the values that follow it."""
    lines = str(message or "").strip().splitlines()
    return lines[0][:_LONGEST_DETAIL] if lines else "no message"
