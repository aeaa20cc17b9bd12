"""Why a connection failed, in OpenSSL's or the system's own words, and which setting helps."""

import ssl
from collections.abc import Iterator
from typing import Final, NamedTuple

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
