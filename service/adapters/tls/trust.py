"""The one place that makes TLS contexts: the system's store, the usual variables, and a group's own files.

Everything is added up: a group's CA is trusted along with the public ones. Certificates and host names are
always checked, and nothing switches that off. A failure is told in OpenSSL's or the system's own words, with
the setting that helps.
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import certifi

from domain.errors import Stop

# Variables that name a file of certificates for OpenSSL, for requests and for curl; a folder for OpenSSL.
_FILE: Final = "SSL_CERT_FILE"
_FOLDERS: Final = "SSL_CERT_DIR"
_REQUESTS: Final = "REQUESTS_CA_BUNDLE"
_MORE: Final = (_REQUESTS, "CURL_CA_BUNDLE")
# Where systems keep all of theirs in one file, for a Python whose OpenSSL was built for another system.
_SYSTEM_FILES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True)
class Trust:
    """Whom the connections of one group of settings trust, and who they are.

    `group` is the settings' prefix, which messages name. `variables` are further ones that name certificates
    to trust. Without `key_file` the key stands in `cert_file`.
    """

    group: str
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    variables: tuple[str, ...] = ()

    def context(self) -> ssl.SSLContext:
        """Raises Stop `ca_unusable` or `client_certificate_unusable`, which name the setting."""
        context = _usual_context()
        read = {os.environ.get(_FILE)}
        for name in (*_MORE, *self.variables):
            if (place := os.environ.get(name)) and place not in read:
                _add(context, name, Path(place), folders=True)
                read.add(place)
        if self.ca_file:
            _add(context, f"{self.group}__CA_FILE", Path(self.ca_file))
        if self.cert_file:
            self._identify(context, self.cert_file)
        return context

    def bundle(self) -> str:
        """Everybody who is trusted, as PEM, for libraries that take a file instead of a context."""
        context = self.context()
        for folder in _folders():
            _add_folder(context, folder)
        known = context.get_ca_certs(binary_form=True)
        own = Path(self.ca_file).read_text(encoding="utf-8") if self.ca_file else ""
        return "".join(map(ssl.DER_cert_to_PEM_cert, known)) + own

    def _identify(self, context: ssl.SSLContext, cert_file: str) -> None:
        try:
            # A password that is given is not asked for: a key with one is refused instead of waited for.
            context.load_cert_chain(cert_file, self.key_file, password="")
        except OSError as error:
            name = f"{self.group}__CLIENT_CERT_FILE"
            both = f"{name} and {self.group}__CLIENT_KEY_FILE" if self.key_file else name
            raise Stop(
                "client_certificate_unusable",
                f"{both}: {_why(error)}; give a certificate and its key, in PEM and without a passphrase",
            ) from error


def no_trust() -> ssl.SSLContext:
    """A context that trusts nobody, for a client of plain http: there is nothing to be read for it."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@contextmanager
def bundle_for_requests(folder: Path) -> Iterator[None]:
    """Let what is built on requests, which knows one file alone, trust whom we trust; for a while.

    Raises Stop `ca_unusable` for a variable that names no certificates.
    """
    before = os.environ.get(_REQUESTS)
    file = folder / "trusted.pem"
    file.write_text(Trust("").bundle(), encoding="utf-8")
    os.environ[_REQUESTS] = str(file)
    try:
        yield
    finally:
        del os.environ[_REQUESTS]
        if before is not None:
            os.environ[_REQUESTS] = before
        file.unlink()


def shared_variables() -> dict[str, str]:
    """What to add to the environment of libraries that know one of the usual variables alone."""
    known = next((place for name in (*_MORE, _FILE) if (place := os.environ.get(name))), None)
    if known is None:
        return {}
    return {name: known for name in (_REQUESTS, "AWS_CA_BUNDLE") if not os.environ.get(name)}


def _usual_context() -> ssl.SSLContext:
    """The system's store, or what SSL_CERT_FILE and SSL_CERT_DIR name instead; without any, certifi's."""
    context = ssl.create_default_context()
    # An issuing CA is enough, without the one above it, and an older CA need not follow today's rules: a
    # company hands out what it has. Python differs in both from one version to the next.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if named := os.environ.get(_FILE):
        _add(context, _FILE, Path(named))
    folders = os.environ.get(_FOLDERS, "").split(os.pathsep)
    if any(folders) and not any(map(os.path.isdir, folders)):
        raise _unusable(_FOLDERS, "names no existing directory")
    if not context.cert_store_stats()["x509_ca"]:
        _add_system(context)
    return context


def _folders() -> Iterator[Path]:
    """The folders that the variables name: OpenSSL looks into them when it needs one, and lists none."""
    named = (*os.environ.get(_FOLDERS, "").split(os.pathsep), *(os.environ.get(name, "") for name in _MORE))
    yield from (Path(place) for place in named if place and os.path.isdir(place))  # noqa: PTH112 - "" is no folder


def _add_folder(context: ssl.SSLContext, folder: Path) -> None:
    """Load each file of certificates, as OpenSSL would the one that it needs."""
    for file in sorted(folder.iterdir()):
        with suppress(OSError):  # a folder may hold what is no certificate, or is not for us
            if file.is_file() and _BEGIN in file.read_bytes():
                context.load_verify_locations(file)


def _add_system(context: ssl.SSLContext) -> None:
    """OpenSSL has read no file: its folders are looked into later, and may be empty as in a slim image."""
    for place in _SYSTEM_FILES:
        if os.path.isfile(place) and _BEGIN in Path(place).read_bytes():  # noqa: PTH113 - says no to what it may not see
            context.load_verify_locations(place)
            return
    context.load_verify_locations(certifi.where())


def _add(context: ssl.SSLContext, name: str, place: Path, *, folders: bool = False) -> None:
    try:
        if folders and place.is_dir():
            context.load_verify_locations(capath=place)
        else:
            _add_file(context, name, place)
    except OSError as error:
        raise _unusable(name, _why(error)) from error


def _add_file(context: ssl.SSLContext, name: str, file: Path) -> None:
    content = file.read_bytes()
    if _BEGIN not in content and b"-----BEGIN TRUSTED CERTIFICATE-----" not in content:
        raise _unusable(name, _instead(content))
    context.load_verify_locations(file)


def _instead(content: bytes) -> str:
    if not content.strip():
        return "the file is empty"
    if b"PRIVATE KEY-----" in content:
        return "the file holds a key and no certificate"
    return "the file holds no certificate in PEM format"


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"the file cannot be used ({(error.reason or 'unreadable').replace('_', ' ').lower()})"
    if isinstance(error, FileNotFoundError):
        return "the file does not exist"
    return f"the file cannot be read ({error.strerror or type(error).__name__})"


def _unusable(name: str, why: str) -> Stop:
    return Stop("ca_unusable", f"{name}: {why}; name a file of certificates in PEM format")


_LONGEST: Final = 200
_NOT_TLS: Final = frozenset(
    {
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
        "RECORD_LAYER_FAILURE",
        "UNKNOWN_PROTOCOL",
        "PACKET_LENGTH_TOO_LONG",
    }
)
_UNKNOWN_ISSUER: Final = frozenset({2, 18, 19, 20, 21})  # X509_V_ERR_…: of self-signed and unknown issuers
_EXPIRED: Final = frozenset({9, 10})
_WRONG_NAME: Final = frozenset({62, 63, 64})


class TlsCause(NamedTuple):
    """What is wrong; what to do about it, or nothing."""

    text: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.text}; {self.advice}" if self.advice else self.text


def cause_of(error: BaseException, group: str, address: str, *, https: bool) -> TlsCause:
    """Find the cause of a failed exchange. `group` and `address` name the settings that messages speak of."""
    chain = list(_chain(error))
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError):
            return _not_verified(one, group, address)
    for one in chain:
        if isinstance(one, ssl.SSLError) and one.reason:
            return _not_spoken(one.reason, group, address)
    return _broken(chain, group, address, https=https)


def _not_verified(error: ssl.SSLCertVerificationError, group: str, address: str) -> TlsCause:
    said = f"certificate verify failed: {error.verify_message.rstrip('.')}"
    if error.verify_code in _UNKNOWN_ISSUER:
        return TlsCause(said, f"name the file of the CA that signed it in {group}__CA_FILE")
    if error.verify_code in _WRONG_NAME:
        return TlsCause(said, f"use a name in {address} that the server's certificate holds")
    if error.verify_code in _EXPIRED:
        return TlsCause(said, "renew the server's certificate, or correct this machine's clock")
    return TlsCause(said, "the server's certificate, or its CA's, is faulty")


def _not_spoken(reason: str, group: str, address: str) -> TlsCause:
    said = reason.replace("_", " ").lower()
    if reason in _NOT_TLS:
        return TlsCause(
            f"what answers does not speak TLS ({said})", f"correct {address}: the port of TLS, or no TLS"
        )
    if "ALERT" in reason:
        return TlsCause(
            f"the server ends the TLS handshake ({said})",
            f"if it asks for a client certificate, name one in {group}__CLIENT_CERT_FILE",
        )
    return TlsCause(f"TLS failed ({said})")


def _broken(chain: list[BaseException], group: str, address: str, *, https: bool) -> TlsCause:
    """Only OSErrors have words that are the system's; a library's text could repeat what was sent."""
    names = [type(one).__name__ for one in chain]
    system = (one for one in chain if isinstance(one, OSError) and not isinstance(one, ssl.SSLError))
    strerror = next((one.strerror for one in system if one.strerror), None)
    text = f"{names[0]}: {strerror}"[:_LONGEST] if strerror else names[0]
    if not any(_is_closed(one) for one in chain):
        return TlsCause(text)
    if https:
        return TlsCause(text, f"if it asks for a client certificate, name one in {group}__CLIENT_CERT_FILE")
    return TlsCause(text, f"if that port speaks TLS, begin {address} with https:")


def _is_closed(error: BaseException) -> bool:
    """True when the other side ended the connection instead of an answer, or spoke no HTTP."""
    return isinstance(error, ConnectionResetError) or type(error).__name__ in {
        "BadStatusLine",
        "RemoteDisconnected",
        "RemoteProtocolError",
    }


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__
