"""Every address behind a host name: a headless service has one per replica."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence

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
