"""The broker's jars are what the list says, or they are not used."""

import hashlib
from pathlib import Path

import pytest

from service.embedded import jars
from service.embedded.errors import EmbeddedServerError
from service.embedded.jars import Jar


def test_the_list_names_every_jar_once_and_no_address() -> None:
    listed = jars.read_list()
    assert len({jar.file_name for jar in listed}) == len(listed)
    assert {len(jar.sha256) for jar in listed} == {64}
    assert "//" not in jars.LIST.read_text()
    assert {"kafka_2.13-4.3.0.jar", "kafka-clients-4.3.0.jar"} <= {jar.file_name for jar in listed}


def test_what_is_there_and_right_is_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "_download", _no_network)
    (tmp_path / "tool-1.0.jar").write_bytes(b"right")
    assert jars.ensure((_jar(b"right"),), tmp_path) == [tmp_path / "tool-1.0.jar"]


def test_a_damaged_jar_is_fetched_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "_download", _serve(b"right"))
    (tmp_path / "tool-1.0.jar").write_bytes(b"torn")
    [path] = jars.ensure((_jar(b"right"),), tmp_path)
    assert path.read_bytes() == b"right"


def test_another_jar_than_the_listed_one_is_refused_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "_download", _serve(b"forged"))
    with pytest.raises(EmbeddedServerError, match=r"example:tool:1\.0 has SHA-256"):
        jars.ensure((_jar(b"right"),), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_jar_that_cannot_be_had_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "_download", _no_network)
    with pytest.raises(
        EmbeddedServerError, match=r"cannot fetch example:tool:1\.0 .* is the network reachable"
    ):
        jars.ensure((_jar(b"right"),), tmp_path)


def _jar(content: bytes) -> Jar:
    return Jar("example:tool:1.0", hashlib.sha256(content).hexdigest())


def _no_network(_jar: Jar, _scratch: Path) -> Path:
    raise ConnectionError("unreachable")


def _serve(content: bytes) -> object:
    def download(_jar: Jar, scratch: Path) -> Path:
        path = scratch / "fetched"
        path.write_bytes(content)
        return path

    return download
