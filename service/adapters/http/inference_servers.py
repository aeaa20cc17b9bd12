"""The servers that answer predictions, asked over HTTP what they serve, and to load the champion.

An answer may be ours, or that of a server that knows no generation.
"""

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from ssl import SSLContext
from typing import Final

import httpx

from domain.convergence import Problem, Replica, ReplicaObservation, Served
from domain.values import is_sha256
from domain.wording import byte_count
from service.adapters.http.bounded import (
    LARGEST_ANSWER,
    Answer,
    Resolve,
    Unresolved,
    ask,
    is_literal,
    open_client,
    system_addresses,
)

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


_RESOLVING_SECONDS: Final = 5.0


class HttpInferenceServers:
    """Port `InferenceServers`: each URL stands for every address behind its name, resolved again each time.

    The token goes to these addresses and nowhere else: no redirect is followed and no proxy is taken from the
    environment. An answer is bounded in size and, from the first byte to the last, in time. `verify` says
    which certificates are trusted; each must be for the name in the URL, whatever the address. While the
    resolver itself is away, the addresses that it gave last are kept.
    """

    def __init__(
        self,
        urls: Sequence[str],
        token: str | None,
        *,
        verify: SSLContext | bool = True,
        resolve: Resolve = system_addresses,
    ) -> None:
        self._token = token
        self._resolve = resolve
        self._last: dict[str, list[Replica]] = {}
        self._clients = {
            url: open_client(token, verify) for url in dict.fromkeys(u.rstrip("/") for u in urls)
        }

    async def replicas(self) -> Sequence[Replica]:
        """Resolve all names side by side."""
        found = await asyncio.gather(*(self._behind(url) for url in self._clients))
        return [replica for some in found for replica in some]

    async def look(self, replica: Replica, *, seconds: float) -> ReplicaObservation:
        """GET /info."""
        answer = await self._ask(replica, "GET", "/info", seconds)
        return ReplicaObservation(problem=answer) if isinstance(answer, Problem) else observation_of(answer)

    async def reload(
        self, replica: Replica, generation: int, version: int, *, seconds: float
    ) -> Problem | None:
        """POST /reload; a server that knows no generation ignores the body."""
        content = {"generation": generation, "version": version}
        answer = await self._ask(replica, "POST", "/reload", seconds, content)
        problem = answer if isinstance(answer, Problem) else problem_of_reload(answer)
        return self._without_token(problem)

    async def answers(self, replica: Replica, *, seconds: float = 3.0) -> str | None:
        """Say why nothing answers at an address; None when something does, whatever it answers."""
        answer = await self._ask(replica, "GET", "/health", seconds)
        return f"does not answer ({answer.detail})" if isinstance(answer, Problem) else None

    async def stop(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()

    async def _ask(
        self,
        replica: Replica,
        method: str,
        path: str,
        seconds: float,
        content: Mapping[str, object] | None = None,
    ) -> Answer | Problem:
        if replica.problem is not None:
            return Problem(reason="unresolved", detail=replica.problem)
        client = self._clients[replica.url]
        return await ask(client, replica, method, path, seconds=seconds, content=content)

    async def _behind(self, url: str) -> list[Replica]:
        place = httpx.URL(url)
        if is_literal(place.host):
            return [Replica(url=url)]
        try:
            addresses = await self._addresses(place.host, place.port or 0)
        except Unresolved as error:
            if error.passing and url in self._last:
                return self._last[url]
            return [Replica(url=url, problem=f"{place.host} has no address: {error}")]
        self._last[url] = [Replica(url=url, address=address) for address in addresses]
        return self._last[url]

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            async with asyncio.timeout(_RESOLVING_SECONDS):
                return await self._resolve(host, port)
        except TimeoutError:
            raise Unresolved(f"not resolved within {_RESOLVING_SECONDS:g} s", passing=True) from None

    def _without_token(self, problem: Problem | None) -> Problem | None:
        """A server that quotes what it was sent may not bring the token into an event."""
        if problem is None or not self._token or self._token not in problem.detail:
            return problem
        return Problem(reason=problem.reason, detail=problem.detail.replace(self._token, "***"))
