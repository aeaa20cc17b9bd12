"""What a replica's answers mean: ours, and those of a server that knows no generation."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from domain.convergence import Problem, ReplicaObservation, Served
from domain.values import is_sha256
from domain.wording import byte_count
from service.adapters.http.bounded import LARGEST_ANSWER, Answer

_LARGEST_NUMBER: Final = 2**63 - 1
_LONGEST_DETAIL: Final = 300
_DONE: Final = ("reloaded", "already_served")
_WORDS: Final = ("reason", "message", "detail", "error")  # where servers say why


def observation_of(answer: Answer) -> ReplicaObservation:
    """Read an answer to GET /info."""
    info = answer.document() or {}
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE and "model_name" in info:
        return ReplicaObservation(served=Served(version=None), problem=_no_model(info.get("problem")))
    if answer.status != HTTPStatus.OK:
        return ReplicaObservation(problem=refusal_of(answer))
    version = info.get("model_version", info.get("version"))
    if number_in(version) is None:
        return ReplicaObservation(problem=_not_understood(answer, "/info does not name a model version"))
    run_id = info.get("run_id")
    return ReplicaObservation(
        served=Served(
            version=number_in(version),
            generation=number_in(info.get("generation")),
            run_id=run_id[:100] if isinstance(run_id, str) else None,
            digest=_digest_in(info),
            stale=info.get("stale") is True,
        )
    )


def problem_of_reload(answer: Answer) -> Problem | None:
    """Read an answer to POST /reload; None when it says that it reloaded, or had nothing to do."""
    if answer.status != HTTPStatus.OK:
        return refusal_of(answer)
    said = answer.document()
    if said is None or said.get("status") not in _DONE:
        return _not_understood(answer, "the answer does not confirm the reload")
    return None


def refusal_of(answer: Answer) -> Problem:
    """Say in one word and a sentence what a status other than 200 means."""
    document = answer.document() or {}
    told = _told(document)
    detail = f"status {answer.status}{': ' if told else ''}{told}"
    match answer.status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return Problem(reason="unauthorized", detail=f"{detail}; is INFERENCE_INTERNAL_TOKEN its token?")
        case HTTPStatus.CONFLICT:
            return Problem(reason="conflict", detail=detail)
        case _ if document.get("reason") == "unloadable_model":
            return Problem(reason="unloadable_model", detail=detail)
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Problem(reason="reload_refused", detail=detail)
        case _:
            return Problem(reason="bad_answer", detail=detail)


def number_in(value: object) -> int | None:
    """Read a version or a generation: a positive integer, or the same in digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < len(str(2**63)):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 1 <= value <= _LARGEST_NUMBER else None


def _digest_in(info: Mapping[str, object]) -> str | None:
    """The digest that a server of Laurel's tells; what another one calls so is its own affair."""
    digest = info.get("digest") if "generation" in info else None
    return digest if isinstance(digest, str) and is_sha256(digest) else None


def _no_model(why: object) -> Problem:
    return Problem(reason="no_model", detail=_printable(why) or "no model is loaded yet")


def _not_understood(answer: Answer, otherwise: str) -> Problem:
    too_large = f"an answer of more than {byte_count(LARGEST_ANSWER)}"
    return Problem(reason="bad_answer", detail=too_large if answer.body is None else otherwise)


def _told(document: Mapping[str, object]) -> str:
    """What the server itself says about it, as far as it can be printed; reasons may lie one level deeper."""
    inner = document.get("detail")
    places = (document, inner if isinstance(inner, dict) else {})
    said = [text for place in places for word in _WORDS if (text := _printable(place.get(word)))]
    return ": ".join(dict.fromkeys(said))[:_LONGEST_DETAIL]


def _printable(text: object) -> str:
    if not isinstance(text, str):
        return ""
    return "".join(sign if sign.isprintable() else " " for sign in text[:_LONGEST_DETAIL])
