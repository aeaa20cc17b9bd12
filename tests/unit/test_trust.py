"""Whom connections trust: what a setting or a variable names is used, or refused by its name."""

import os
import ssl
from collections.abc import MutableMapping
from pathlib import Path

import certifi
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from domain.errors import Stop
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.tls import trust
from service.adapters.tls.trust import Trust, bundle_for_requests, shared_variables
from tests.harm.tls import Authority

USUAL = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE")
NO_CERTIFICATE = {
    "empty.pem": (b"", "is empty"),
    "blank.pem": (b"\n \n", "is empty"),
    "words.pem": (b"company CA", "no certificate in PEM format"),
    "binary.der": (b"\x30\x82\x01\x0a\x02\x82", "no certificate in PEM format"),
    "key.pem": (b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n", "holds a key"),
    "cut.pem": (b"-----BEGIN CERTIFICATE-----\nMIIB", "cannot be used"),
}


@pytest.fixture(autouse=True)
def _bare_environment(own_environment: MutableMapping[str, str]) -> None:
    for name in USUAL:
        own_environment.pop(name, None)


def subjects(context: ssl.SSLContext) -> set[str]:
    return {str(one["subject"]) for one in context.get_ca_certs()}


def test_a_group_trusts_its_own_ca_besides_the_usual_ones(tmp_path: Path) -> None:
    usual = Path(certifi.where())
    os.environ["SSL_CERT_FILE"] = str(usual)
    known = subjects(Trust("MLFLOW").context())
    more = subjects(Trust("MLFLOW", str(Authority(tmp_path).file)).context())
    assert len(known) > 50
    assert more > known


@pytest.mark.parametrize("name", NO_CERTIFICATE)
@pytest.mark.parametrize("named_by", ["setting", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_file_without_certificates_is_refused_by_the_name_of_what_names_it(
    tmp_path: Path, name: str, named_by: str
) -> None:
    content, said = NO_CERTIFICATE[name]
    (tmp_path / name).write_bytes(content)
    _refused(tmp_path / name, named_by, said)


@pytest.mark.parametrize("named_by", ["setting", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_file_that_does_not_exist_is_refused(tmp_path: Path, named_by: str) -> None:
    _refused(tmp_path / "missing.pem", named_by, "does not exist")


def _refused(file: Path, named_by: str, said: str) -> None:
    if named_by != "setting":
        os.environ[named_by] = str(file)
    own = str(file) if named_by == "setting" else None
    with pytest.raises(Stop, match=said) as stop:
        Trust("KAFKA", own).context()
    assert stop.value.reason == "ca_unusable"
    assert stop.value.message.startswith("KAFKA__CA_FILE: " if own else f"{named_by}: ")


def test_a_folder_is_no_file_and_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Stop, match="MLFLOW__CA_FILE"):
        Trust("MLFLOW", str(tmp_path)).context()
    os.environ["SSL_CERT_DIR"] = str(tmp_path / "missing")
    with pytest.raises(Stop, match="SSL_CERT_DIR"):
        Trust("MLFLOW").context()


def test_without_a_system_store_there_is_one_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slim image has none; what the variables name stays what is trusted."""
    monkeypatch.setattr(trust, "_SYSTEM_FILES", ())
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    assert len(subjects(Trust("MLFLOW").context())) > 50
    os.environ["SSL_CERT_FILE"] = str(Authority(tmp_path).file)
    assert len(subjects(Trust("MLFLOW").context())) == 1


def test_a_client_certificate_without_its_key_or_with_a_passphrase_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own, another = authority.certificate("laurel"), authority.certificate("another")
    locked = tmp_path / "locked.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    Trust("RELOAD", cert_file=str(own)).context()
    for key_file in (another, locked, authority.file, tmp_path / "missing.pem"):
        with pytest.raises(Stop, match="RELOAD__CLIENT_CERT_FILE and RELOAD__CLIENT_KEY_FILE") as stop:
            Trust("RELOAD", cert_file=str(own), key_file=str(key_file)).context()
        assert stop.value.reason == "client_certificate_unusable"


def test_kafka_names_its_own_setting(tmp_path: Path) -> None:
    with pytest.raises(Stop, match="KAFKA__CA_FILE: the file does not exist"):
        KafkaConnection("h:1", protocol="SSL", ca_file=str(tmp_path / "missing")).options()
    KafkaConnection("h:1", ca_file=str(tmp_path / "missing")).options()


def test_libraries_that_take_a_file_get_everybody_who_is_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    os.environ["SSL_CERT_FILE"] = certifi.where()
    bundle = Trust("NOTIFIER", str(authority.file)).bundle()
    assert authority.file.read_text() in bundle
    assert bundle.count("BEGIN CERTIFICATE") > 50


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_what_any_of_the_variables_names_is_in_the_bundle_also_beside_another(
    tmp_path: Path, name: str
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    authority = Authority(theirs)
    for other in {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"} - {name}:
        os.environ[other] = certifi.where()
    os.environ[name] = str(theirs if name == "SSL_CERT_DIR" else authority.file)
    with bundle_for_requests(tmp_path):
        bundle = Path(os.environ["REQUESTS_CA_BUNDLE"]).read_text(encoding="utf-8")
    assert authority.file.read_text() in bundle
    assert bundle.count("BEGIN CERTIFICATE") > 50


def test_requests_is_told_for_a_while_and_then_as_before(tmp_path: Path) -> None:
    os.environ["SSL_CERT_FILE"] = str(Authority(tmp_path).file)
    folder = tmp_path / "scratch"
    folder.mkdir()
    assert shared_variables() == dict.fromkeys(
        ("REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"), str(tmp_path / "authority.pem")
    )
    with bundle_for_requests(folder):
        assert shared_variables()["AWS_CA_BUNDLE"] == str(folder / "trusted.pem")
    assert list(folder.iterdir()) == []
    assert "REQUESTS_CA_BUNDLE" not in os.environ
    os.environ["REQUESTS_CA_BUNDLE"] = str(tmp_path / "missing")
    with (
        pytest.raises(Stop, match="REQUESTS_CA_BUNDLE: the file does not exist"),
        bundle_for_requests(folder),
    ):
        pass
