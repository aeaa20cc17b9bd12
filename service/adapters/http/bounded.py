"""HTTP that cannot hurt: bounded in time and size, to one address, past every proxy, without redirects.

A host name may have several addresses: a headless service has one per replica.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ssl import SSLContext
from typing import Final

import httpx

from domain.convergence import Problem, Replica
from domain.strict_json import object_in
from service.adapters.tls.trust import cause_of

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class Unresolved(OSError):
    """The name has no address now; the text says why. `passing`: it is the resolver that does not answer."""

    def __init__(self, why: str, *, passing: bool = False) -> None:
        super().__init__(why)
        self.passing = passing


async def system_addresses(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver for IPv4 and IPv6 addresses, each once. Raises Unresolved."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        passing = getattr(error, "errno", None) == socket.EAI_AGAIN
        raise Unresolved(getattr(error, "strerror", None) or type(error).__name__, passing=passing) from error
    addresses = list(dict.fromkeys(str(place[0]) for *_, place in found))
    if not addresses:
        raise Unresolved("no address")
    return addresses


def is_literal(host: str) -> bool:
    """True for an address in the usual spelling, which nothing has to resolve."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


LARGEST_ANSWER: Final = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """A status and a body; None for a body that is too large to read."""

    status: int
    body: bytes | None

    def document(self) -> Mapping[str, object] | None:
        """The JSON object that the body holds, if it holds one."""
        return object_in(self.body)


def open_client(token: str | None, verify: SSLContext | bool) -> httpx.AsyncClient:  # noqa: FBT001 - as httpx takes it
    """Open a client for one server, whose name its connections were verified against."""
    return httpx.AsyncClient(
        # Not compressed: what is bounded must be what is read.
        headers={"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {token}"} if token else {}),
        timeout=None,  # noqa: S113 - every call has a deadline for all of it
        follow_redirects=False,
        trust_env=False,
        verify=verify,
    )


async def ask(
    client: httpx.AsyncClient,
    replica: Replica,
    method: str,
    path: str,
    *,
    seconds: float,
    content: Mapping[str, object] | None = None,
) -> Answer | Problem:
    """Ask one address under its server's name; never raises for what the other side does."""
    try:
        async with asyncio.timeout(seconds):
            return await _asked(client, replica, method, path, content)
    except TimeoutError:
        return Problem(reason="no_answer", detail=f"no answer within {seconds:.3g} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Problem(reason="unreachable", detail=_why(error, replica))


async def _asked(
    client: httpx.AsyncClient, replica: Replica, method: str, path: str, content: Mapping[str, object] | None
) -> Answer:
    url = httpx.URL(f"{replica.url}{path}")
    at = url.copy_with(host=replica.address) if replica.address else url
    named = {"Host": url.netloc.decode("ascii")}
    # The certificate is judged by the server's name, whatever address it is at.
    extensions = {} if is_literal(url.host) else {"sni_hostname": url.host}
    async with client.stream(method, at, json=content, headers=named, extensions=extensions) as response:
        body = b""
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > LARGEST_ANSWER:
                return Answer(response.status_code, None)
        return Answer(response.status_code, body)


def _why(error: Exception, replica: Replica) -> str:
    """The kind of an error and the system's own word; a library's text could repeat what was sent."""
    https = replica.url.lower().startswith("https:")
    return str(cause_of(error, "RELOAD", "INFERENCE_API_URL", https=https))
