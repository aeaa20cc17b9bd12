"""Whatever comes in on a connection, the server goes on, and no answer is a defect."""

import asyncio
import json
import socket
from collections.abc import Sequence
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from service.runtime.web.http_server import Shell
from tests.worlds.served_models import ROW, open_stage, served_model

FRAGMENTS: Final = (
    b"GET ",
    b"POST ",
    b"HEAD ",
    b"OPTIONS * ",
    b"CONNECT a:1 ",
    b"/health/live",
    b"/predict",
    b"http://x",
    b"/%00%ff",
    b" HTTP/1.1\r\n",
    b" HTTP/1.0\r\n",
    b" HTTP/2.0\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"Host: x\r\n",
    b"Host: \xff\r\n",
    b"Content-Length: 2\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: h2c\r\n",
    b"Expect: 100-continue\r\n",
    b"Content-Type: application/json\r\n",
    b" folded: yes\r\n",
    b": nameless\r\n",
    b"{}",
    b"2\r\n{}\r\n",
    b"0\r\n",
    b"fffffffff\r\n",
    b"\x00",
    b"\x16\x03\x01",
)
RIGHT: Final = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

heads = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=20)), max_size=25)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just(ROW)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(sorted(ROW)), st.text(max_size=8)), inner, max_size=6),
    ),
    max_leaves=20,
)
bodies = st.one_of(st.binary(max_size=200), values.map(json.dumps).map(str.encode))


async def test_no_bytes_end_the_server_or_are_answered_by_a_defect() -> None:
    async with (
        open_stage(served_model()) as stage,
        Shell(stage.app, unless="", grace_seconds=1).serving("127.0.0.1", 0) as port,
    ):
        await asyncio.to_thread(_fuzz, port)


def _fuzz(port: int) -> None:
    @settings(max_examples=settings().max_examples * 2)
    @given(heads)
    def any_head(pieces: Sequence[bytes]) -> None:
        for status in _statuses(_said(port, pieces)):
            assert status < 500

    @settings(max_examples=settings().max_examples * 2)
    @given(bodies)
    def any_body(body: bytes) -> None:
        length = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        [status] = _statuses(_said(port, [RIGHT, length, body]))
        assert status in {200, 400, 422}

    any_head()
    any_body()
    assert _statuses(_said(port, [b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"])) == [200]


def _said(port: int, pieces: Sequence[bytes]) -> bytes:
    """All that comes back until the server ends the connection."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                said += piece
        except TimeoutError:
            raise
        except OSError:
            pass  # the server has ended it, which to a caller looks like many things
    return said


def _statuses(said: bytes) -> list[int]:
    lines = said.split(b"HTTP/1.1 ")[1:]
    return [status for line in lines if (status := int(line[:3])) != 100]
