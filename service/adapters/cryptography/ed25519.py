"""Ed25519 keys from PEM files: who signs models, and who checks them.

Make a pair with `openssl genpkey -algorithm ed25519 -out signing.pem` and
`openssl pkey -in signing.pem -pubout -out verification.pem`.
"""

import base64
import binascii
import os
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from domain.errors import Stop, TryLater
from service.adapters.files.atomic import AtomicFiles
from service.adapters.files.errors import disk_errors, read_small

_LARGEST: Final = 16 * 1024  # bytes


class Ed25519Signer:
    """Signs with the private key in a PEM file without a passphrase. Raises Stop `bad_key`."""

    def __init__(self, file: Path) -> None:
        try:
            key = load_pem_private_key(_pem(file), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _bad(file, "private key without a passphrase") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise _bad(file, "private key without a passphrase")
        self._key = key

    def sign(self, text: bytes) -> str:
        """The signature in base64."""
        return base64.b64encode(self._key.sign(text)).decode()

    def verification_key(self) -> bytes:
        """The other half, in PEM, for those who check."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class Ed25519Verifier:
    """Checks with the public key in a PEM file. Raises Stop `bad_key`."""

    def __init__(self, file: Path) -> None:
        try:
            key = load_pem_public_key(_pem(file))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise _bad(file, "public key") from error
        if not isinstance(key, Ed25519PublicKey):
            raise _bad(file, "public key")
        self._key = key

    def verify(self, text: bytes, signature: str) -> bool:
        """True when the key's owner signed this text."""
        try:
            self._key.verify(base64.b64decode(signature, validate=True), text)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


class KeyPair(NamedTuple):
    """The files of both halves."""

    signing: Path
    verification: Path


def ensure_key_pair(folder: Path) -> KeyPair:
    """Make a key pair in a folder, unless there is one; only this user may read what signs.

    Safe beside another process that does the same. Raises Stop `bad_key` for a file that holds no such key,
    TryLater `file_error`.
    """
    pair = KeyPair(folder / "signing.pem", folder / "verification.pem")
    with disk_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not pair.signing.exists():
            _make(pair.signing)
    public = Ed25519Signer(pair.signing).verification_key()
    if read_small(pair.verification, _LARGEST) != public:
        AtomicFiles().replace(pair.verification, public)
    return pair


def _make(file: Path) -> None:
    """The file appears whole and once: of two who make it, the first one's stays."""
    key = Ed25519PrivateKey.generate()
    descriptor, name = mkstemp(dir=file.parent)  # 0600
    with os.fdopen(descriptor, "wb") as draft:
        draft.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        draft.flush()
        os.fsync(draft.fileno())
    with suppress(FileExistsError):
        os.link(name, file)
    Path(name).unlink()


def _pem(file: Path) -> bytes:
    try:
        data = read_small(file, _LARGEST)
    except TryLater as error:
        raise Stop("bad_key", f"{file} cannot be read ({error.message})", file=str(file)) from error
    if data is None:
        raise Stop("bad_key", f"{file} is not a file: give the path of a key in PEM", file=str(file))
    return data


def _bad(file: Path, wanted: str) -> Stop:
    return Stop("bad_key", f"{file} holds no Ed25519 {wanted} in PEM", file=str(file))
