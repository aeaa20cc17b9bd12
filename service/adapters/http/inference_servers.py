"""The servers that answer predictions, asked over HTTP what they serve, and to load the champion."""

import asyncio
from collections.abc import Mapping, Sequence
from ssl import SSLContext
from typing import Final

import httpx

from domain.convergence import Problem, Replica, ReplicaObservation
from service.adapters.http.answers import observation_of, problem_of_reload
from service.adapters.http.bounded import Answer, ask, open_client
from service.adapters.http.resolving import Resolve, Unresolved, is_literal, system_addresses

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
