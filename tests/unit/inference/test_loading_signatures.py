"""Signatures: the worker makes them over what it registers, with keys that are what they should be."""

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Stop
from domain.package_tags import SIGNATURE_TAG, signed_text
from service.adapters.cryptography.ed25519 import Ed25519Signer, Ed25519Verifier, ensure_key_pair
from service.lifecycle.worker_parts import reconciler_in, runner_in
from tests.kit.builders import MODEL
from tests.kit.signing_keys import key_pair
from tests.worlds.stage import LEASE, RETRY, Stage

_FIELDS = st.tuples(st.text(), st.text(), st.text())


@given(one=_FIELDS, other=_FIELDS)
def test_two_models_never_have_one_text(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (signed_text(*one) == signed_text(*other)) == (one == other)


@pytest.mark.parametrize(
    ("text", "key", "is_good"),
    [(b"model", "ours", True), (b"model ", "ours", False), (b"model", "theirs", False)],
)
def test_a_signature_holds_for_its_text_and_its_key(
    tmp_path: Path, text: bytes, key: str, *, is_good: bool
) -> None:
    pairs = {name: key_pair(tmp_path, name) for name in ("ours", "theirs")}
    signature = Ed25519Signer(pairs["ours"].private).sign(b"model")
    assert Ed25519Verifier(pairs[key].public).verify(text, signature) is is_good


@pytest.mark.parametrize("signature", ["", "no base64!", "AAAA", "\u00e9" * 88, "A" * 10_000])
def test_what_is_no_signature_is_refused_not_raised(tmp_path: Path, signature: str) -> None:
    assert not Ed25519Verifier(key_pair(tmp_path, "ours").public).verify(b"model", signature)


async def test_a_worker_with_a_key_signs_what_it_registers(tmp_path: Path) -> None:
    pair, stage = key_pair(tmp_path, "ours"), Stage()
    world = replace(stage.worker_world("worker-1"), sign=Ed25519Signer(pair.private).sign)
    runner = runner_in(world, stage.heavy, world.projector(), RETRY, LEASE, stage.background_jobs)
    await stage.carry(await stage.ask(), runner)
    (version,) = stage.registry.versions[MODEL]
    text = signed_text(MODEL, version.mlflow_run_id or "", version.tags["laurel.model_digest"])
    assert Ed25519Verifier(pair.public).verify(text, version.tags[SIGNATURE_TAG])


async def test_a_champion_of_a_worker_without_a_key_is_signed_by_the_next_that_has_one(
    tmp_path: Path,
) -> None:
    """And by no other text than the digest that the run store has of it."""
    pair, stage = key_pair(tmp_path, "ours"), Stage()
    await stage.carry(await stage.ask())
    world = replace(stage.worker_world("worker-2"), sign=Ed25519Signer(pair.private).sign)
    reconciler = reconciler_in(world, world.projector(), 10.0)
    (version,) = stage.registry.versions[MODEL]
    ours = version.tags["laurel.model_digest"]
    await stage.registry.tag_version(MODEL, version.version, {"laurel.model_digest": "0" * 64})
    await reconciler.look()
    (version,) = stage.registry.versions[MODEL]
    assert SIGNATURE_TAG not in version.tags
    await stage.registry.tag_version(MODEL, version.version, {"laurel.model_digest": ours})
    await reconciler.look()
    (version,) = stage.registry.versions[MODEL]
    text = signed_text(MODEL, version.mlflow_run_id or "", ours)
    assert Ed25519Verifier(pair.public).verify(text, version.tags[SIGNATURE_TAG])


def test_a_key_pair_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    pair = ensure_key_pair(tmp_path / "keys")
    assert stat.S_IMODE(pair.signing.stat().st_mode) == 0o600
    kept = [file.read_bytes() for file in pair]
    pair.verification.unlink()
    assert [file.read_bytes() for file in ensure_key_pair(tmp_path / "keys")] == kept
    assert {file.name for file in (tmp_path / "keys").iterdir()} == {"signing.pem", "verification.pem"}
    signature = Ed25519Signer(pair.signing).sign(b"model")
    assert Ed25519Verifier(pair.verification).verify(b"model", signature)


async def test_a_worker_without_a_key_does_not() -> None:
    stage = Stage()
    await stage.carry(await stage.ask())
    (version,) = stage.registry.versions[MODEL]
    assert SIGNATURE_TAG not in version.tags


def _private(file: Path, secret: bytes | None = None) -> None:
    encryption = BestAvailableEncryption(secret) if secret else NoEncryption()
    key = Ed25519PrivateKey.generate()
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))


def _curve(file: Path) -> None:
    key = generate_private_key(SECP256R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    file.write_bytes(private if "private" in file.name else public)


def _other_half(file: Path) -> None:
    pair = key_pair(file.parent, "pair")
    (pair.public if "private" in file.name else pair.private).rename(file)


FAULTS: dict[str, Callable[[Path], object]] = {
    "missing": lambda _: None,
    "a folder": Path.mkdir,
    "empty": Path.touch,
    "no PEM": lambda file: file.write_bytes(b"MC4CAQAwBQYDK2VwBCIEIA"),
    "the other half": _other_half,
    "another kind of key": _curve,
    "with a passphrase": lambda file: _private(file, b"secret"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("half", ["private", "public"])
def test_a_file_that_is_no_such_key_stops_the_start_and_is_named(
    tmp_path: Path, half: str, fault: str
) -> None:
    file = tmp_path / f"{half}.pem"
    FAULTS[fault](file)
    with pytest.raises(Stop) as stop:
        (Ed25519Signer if half == "private" else Ed25519Verifier)(file)
    assert stop.value.reason == "bad_key"
    assert str(file) in stop.value.message
    assert "PRIVATE KEY" not in stop.value.message
