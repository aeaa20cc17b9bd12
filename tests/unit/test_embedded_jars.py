"""The broker's jars are what the list says, or they are not used."""

import hashlib
import os
import socket
import ssl
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from service.local.servers import jars
from service.local.servers.errors import EmbeddedServerError
from service.local.servers.jars import Jar
from tests.harm.tls import Authority

CENTRAL = "repo.maven.apache.org"
USUAL = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NO_PROXY", "no_proxy")


def test_the_list_names_every_jar_once_and_no_address() -> None:
    listed = jars.read_list()
    assert len({jar.file_name for jar in listed}) == len(listed)
    assert {len(jar.sha256) for jar in listed} == {64}
    assert "//" not in jars.LIST.read_text()
    assert {"kafka_2.13-4.3.0.jar", "kafka-clients-4.3.0.jar"} <= {jar.file_name for jar in listed}


def test_what_is_there_and_right_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "tool-1.0.jar").write_bytes(b"right")
    assert jars.ensure((_jar(b"right"),), tmp_path, _no_network) == [tmp_path / "tool-1.0.jar"]


def test_a_damaged_jar_is_fetched_anew(tmp_path: Path) -> None:
    (tmp_path / "tool-1.0.jar").write_bytes(b"torn")
    [path] = jars.ensure((_jar(b"right"),), tmp_path, _serve(b"right"))
    assert path.read_bytes() == b"right"


def test_another_jar_than_the_listed_one_is_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match=r"example:tool:1\.0 has SHA-256"):
        jars.ensure((_jar(b"right"),), tmp_path, _serve(b"forged"))
    assert list(tmp_path.iterdir()) == []


def test_a_jar_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        EmbeddedServerError, match=r"cannot fetch example:tool:1\.0 .* is the network reachable.*unreachable"
    ):
        jars.ensure((_jar(b"right"),), tmp_path, _no_network)


def test_one_that_cannot_be_had_ends_it_for_all(tmp_path: Path) -> None:
    asked: list[Jar] = []

    def refuse(jar: Jar, _scratch: Path) -> Path:
        asked.append(jar)
        raise ConnectionError("unreachable")

    listed = tuple(Jar(f"example:tool:{number}.0", "0" * 64) for number in range(200))
    with pytest.raises(EmbeddedServerError, match="cannot fetch"):
        jars.ensure(listed, tmp_path, refuse)
    assert len(asked) < len(listed)


@pytest.mark.parametrize("more", [{}, {"REQUESTS_CA_BUNDLE": ssl.get_default_verify_paths().cafile or ""}])
def test_behind_a_companys_proxy_the_ca_that_the_variable_names_is_trusted(
    tmp_path: Path, own_environment: MutableMapping[str, str], more: dict[str, str]
) -> None:
    """The proxy answers for Maven Central with a certificate of its own, and says so to all that download."""
    authority, folder = Authority(tmp_path), tmp_path / "jars"
    with _company_proxy(authority, b"right"):
        with pytest.raises(EmbeddedServerError) as refused:
            jars.ensure((_jar(b"right"),), folder)
        own_environment.update({"SSL_CERT_FILE": str(authority.file), **more})
        [path] = jars.ensure((_jar(b"right"),), folder)
    said = str(refused.value)
    assert "certificate is not trusted (" in said
    assert "in SSL_CERT_FILE" in said
    assert "\n" not in said
    assert path.read_bytes() == b"right"


@contextmanager
def _company_proxy(authority: Authority, content: bytes) -> Iterator[None]:
    for name in USUAL:
        os.environ.pop(name, None)
    context = authority.server(CENTRAL)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_answer_all, args=(listener, context, content), daemon=True).start()
        os.environ["HTTPS_PROXY"] = f"http://127.0.0.1:{listener.getsockname()[1]}"
        os.environ["https_proxy"] = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield
        listener.shutdown(socket.SHUT_RDWR)


def _answer_all(listener: socket.socket, context: ssl.SSLContext, content: bytes) -> None:
    with suppress(OSError):
        while True:
            caller, _ = listener.accept()
            with suppress(OSError), caller:
                _answer_one(caller, context, content)


def _answer_one(caller: socket.socket, context: ssl.SSLContext, content: bytes) -> None:
    caller.recv(1 << 16)
    caller.sendall(b"HTTP/1.1 200 tunnel\r\n\r\n")
    with context.wrap_socket(caller, server_side=True) as tunnel:
        tunnel.recv(1 << 16)
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        tunnel.sendall(head.encode() + content)


def _jar(content: bytes) -> Jar:
    return Jar("example:tool:1.0", hashlib.sha256(content).hexdigest())


def _no_network(_jar: Jar, _scratch: Path) -> Path:
    raise ConnectionError("unreachable")


def _serve(content: bytes) -> jars.Download:
    def download(_jar: Jar, scratch: Path) -> Path:
        path = scratch / "fetched"
        path.write_bytes(content)
        return path

    return download
