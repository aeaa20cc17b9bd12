"""Whose call it is, when it came through balancers that are trusted to say so."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.types import Scope

Network = IPv4Network | IPv6Network
UNKNOWN = "unknown"


class Clients:
    """Reads X-Forwarded-For as far as those who wrote it are trusted."""

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)

    def of(self, scope: Scope) -> str:
        """The address of the caller itself, or of the last one on its way that is not trusted."""
        client: str = (scope.get("client") or (UNKNOWN,))[0]
        if not self._trusted:
            return client
        for hop in _hops(scope):
            if not self._is_trusted(client) or (address := _address(hop)) is None:
                break
            client = str(address)
        return client

    def _is_trusted(self, client: str) -> bool:
        address = _address(client)
        return address is not None and any(address in network for network in self._trusted)


def _hops(scope: Scope) -> Iterator[str]:
    """The last one first: each proxy adds the address that it was called from."""
    said = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    yield from (hop.strip() for hop in reversed(",".join(said).split(",")) if hop.strip())


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address, with a port or without."""
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
