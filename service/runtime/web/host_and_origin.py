"""What is judged before anybody asks who calls: the call is for this host, and no other site's doing."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.types import Scope

from service.runtime.web.clients import Clients
from service.runtime.web.connection_limits import RefusalLog, Warns
from service.runtime.web.problems import ProblemDetails

CHANGES_NOTHING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITE: Final = frozenset({"same-origin", "none"})
_WANTED: Final = frozenset({b"host", b"origin", b"sec-fetch-site"})


class Entrance:
    """Judges calls. `hosts` are the names that this server answers to, none for any.

    `origins` are sites whose pages may call. `probes` are pages that are asked by address, whatever the host
    is called. `log` is told who was refused.
    """

    def __init__(
        self,
        log: Warns,
        *,
        hosts: Sequence[str] = (),
        origins: Sequence[str] = (),
        clients: Clients | None = None,
        probes: frozenset[str] = frozenset(),
    ) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origin.lower() for origin in origins)
        self._probes = probes
        self._clients = clients or Clients()
        self._refused = RefusalLog(log)

    def refusal(self, scope: Scope) -> ProblemDetails | None:
        """Why this call may not pass; None when it may."""
        if scope["method"] in CHANGES_NOTHING and not self._hosts:
            return None
        said = {name: value.decode("latin-1").lower() for name, value in scope["headers"] if name in _WANTED}
        host = said.get(b"host", "")
        if self._hosts and scope["path"] not in self._probes and _name(host) not in self._hosts:
            return _another_host()
        if scope["method"] not in CHANGES_NOTHING and self._is_foreign(said, host):
            return _cross_site()
        return None

    def tell(self, scope: Scope, event: str, reason: str, **facts: object) -> None:
        """Write down that a call was refused, and whose it was."""
        self._refused.tell(event, reason=reason, client=self._clients.of(scope), **facts)

    def _is_foreign(self, said: Mapping[bytes, str], host: str) -> bool:
        """A browser says itself where a call comes from; an older one tells only the page's origin."""
        origin, site = said.get(b"origin"), said.get(b"sec-fetch-site")
        if origin in self._origins:
            return False
        if site is not None:
            return site not in _OWN_SITE
        return origin is not None and urlsplit(origin).netloc != host


def _name(host: str) -> str:
    """A host without its port."""
    name, mark, port = host.rpartition(":")
    return name if mark and port.isdigit() else host


def _another_host() -> ProblemDetails:
    return ProblemDetails(
        HTTPStatus.MISDIRECTED_REQUEST,
        "another_host",
        "this server does not answer to the requested host; …__ALLOWED_HOSTS names its hosts",
    )


def _cross_site() -> ProblemDetails:
    return ProblemDetails(
        HTTPStatus.FORBIDDEN,
        "cross_site",
        "a page of another site may not change anything; API__CORS_ORIGINS names the sites whose pages may",
    )
