"""A web server that keeps what is put to it: an http remote of DVC's."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class PutServer(ThreadingHTTPServer):
    """`objects` is what it holds by path; with `forgetful` it says yes and keeps nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.forgetful = False

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: PutServer

    def do_PUT(self) -> None:
        content = self._body()
        if not self.server.forgetful:
            self.server.objects[self.path] = content
        self._answer(201, b"")

    do_POST = do_PUT  # noqa: N815 - the names are the base class's

    def do_GET(self) -> None:
        content = self.server.objects.get(self.path)
        self._answer(404 if content is None else 200, content or b"")

    do_HEAD = do_GET  # noqa: N815 - the names are the base class's

    def _body(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def put_server() -> Iterator[PutServer]:
    """Serve from a thread."""
    server = PutServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
