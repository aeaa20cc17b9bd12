"""What a fault proxy does to requests and answers: values, armed with `FaultProxy.add`."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.harm.wire_formats import Match, every


class Mode(StrEnum):
    """What is done to a request that matches."""

    REFUSE = "refuse"  # the connection is reset as soon as it is made
    HOLE = "hole"  # swallowed; nothing is ever answered on this connection again
    SLOW = "slow"  # forwarded only after `seconds`, even when the client has given up by then
    CUT = "cut"  # half of the answer, then the end
    CUT_REQUEST = "cut_request"  # half of the request reaches the server, then the end
    LOST = "lost"  # the server does it, its answer is dropped, then the end
    LATE = "late"  # the server does it at once, its answer comes only after `seconds`
    DRIP = "drip"  # an HTTP answer's body comes byte by byte, with a pause of `seconds` before each
    DRIP_HEAD = "drip_head"  # the same from the first byte of its head
    EDIT = "edit"  # the answer is changed on its way
    ERR = "err"  # the server never sees it; `answer` is sent instead


@dataclass
class Fault:
    """One harm: what it does, to which requests, how often (None: for ever), and how often it has."""

    mode: Mode
    match: Match = every
    times: int | None = None
    seconds: float = 0.0
    answer: bytes = b""
    change: Callable[[bytes], bytes] | None = None
    hits: int = 0

    @property
    def spent(self) -> bool:
        """True when it has struck as often as it may."""
        return self.times is not None and self.hits >= self.times


def refuse(times: int | None = None) -> Fault:
    """Reset every new connection."""
    return Fault(Mode.REFUSE, times=times)


def hole(match: Match = every, times: int | None = None) -> Fault:
    """Swallow what matches and never answer."""
    return Fault(Mode.HOLE, match, times)


def slow(seconds: float, match: Match = every, times: int | None = None) -> Fault:
    """Hold what matches back for a while."""
    return Fault(Mode.SLOW, match, times, seconds=seconds)


def late(seconds: float, match: Match = every, times: int | None = None) -> Fault:
    """Let it be done, and hold the answer back for a while."""
    return Fault(Mode.LATE, match, times, seconds=seconds)


def drip(seconds: float, match: Match = every, times: int | None = None) -> Fault:
    """Deliver the answer byte by byte."""
    return Fault(Mode.DRIP, match, times, seconds=seconds)


def drip_head(seconds: float, match: Match = every, times: int | None = None) -> Fault:
    """Deliver even the answer's head byte by byte."""
    return Fault(Mode.DRIP_HEAD, match, times, seconds=seconds)


def edited(change: Callable[[bytes], bytes], match: Match = every, times: int | None = None) -> Fault:
    """Change the answer; `without_aliases` is one way."""
    return Fault(Mode.EDIT, match, times, change=change)


def without_aliases(answer: bytes) -> bytes:
    """An HTTP answer of JSON without any field `aliases`, as an old gateway's schema leaves it."""
    head, _, body = answer.partition(b"\r\n\r\n")
    content = json.dumps(_without(json.loads(body), "aliases")).encode()
    length = re.sub(rb"(?i)(content-length: *)\d+", rb"\g<1>%d" % len(content), head)
    return length + b"\r\n\r\n" + content


def _without(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner, name) for key, inner in value.items() if key != name}
    return [_without(inner, name) for inner in value] if isinstance(value, list) else value


def cut(match: Match = every, times: int | None = None) -> Fault:
    """Deliver half of the answer."""
    return Fault(Mode.CUT, match, times)


def cut_request(match: Match = every, times: int | None = None) -> Fault:
    """Deliver half of the request."""
    return Fault(Mode.CUT_REQUEST, match, times)


def lost(match: Match = every, times: int | None = None) -> Fault:
    """Let it be done and lose the answer."""
    return Fault(Mode.LOST, match, times)


def err(
    status: int,
    body: str = "",
    match: Match = every,
    times: int | None = None,
    content_type: str = "application/json",
    **headers: str,
) -> Fault:
    """Answer an HTTP request in the server's place."""
    content = body.encode()
    fields = {"content-type": content_type, "content-length": len(content), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    head = f"HTTP/1.1 {status} Fault\r\n{lines}\r\n"
    return Fault(Mode.ERR, match, times, answer=head.encode() + content)
