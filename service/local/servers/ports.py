"""TCP ports on loopback: is one free, and which are free."""

import random
import socket

from service.local.servers.errors import EmbeddedServerError

LOOPBACK = "127.0.0.1"
# Below the range that the system uses for outgoing connections: a port in that range can connect to itself.
_LOWEST, _HIGHEST = 20_000, 32_000
_random = random.SystemRandom()  # not the shared generator, which tests seed


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def require_free(server: str, port: int) -> None:
    """Raise with the fix when ``port`` is taken."""
    if not is_free(port):
        message = (
            f"port {port} on {LOOPBACK}, which {server} needs, is used by another program;"
            f" end that program (`ss -ltnp 'sport = :{port}'` names it) or choose another port for {server}"
        )
        raise EmbeddedServerError(message)


def free_port(count: int = 1) -> int:
    """The first of ``count`` neighbouring free ports, taken at random so that parallel runs seldom meet."""
    for _ in range(1000):
        first = _random.randrange(_LOWEST, _HIGHEST)
        if all(is_free(port) for port in range(first, first + count)):
            return first
    message = f"no {count} free ports between {_LOWEST} and {_HIGHEST} on {LOOPBACK}"
    raise EmbeddedServerError(message)
