"""Addresses in settings: read strictly, and never repeated in a message, since one may hold a password.

A group whose connections may be TLS names files; they are judged when a context is made. A server that people
and balancers call says whom it takes a call from, and how it leaves.
"""

import ipaddress
import socket
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import NoDecode

from domain.strict_json import parse_json

# Where clouds tell a machine its own credentials; and every link-local address.
_METADATA_HOSTS: Final = frozenset({"metadata.google.internal", "metadata.goog", "metadata"})
_METADATA_ADDRESSES: Final = frozenset({"fd00:ec2::254", "100.100.100.200", "168.63.129.16"})
_POSTGRESQL: Final = frozenset({"postgresql", "postgres", "postgresql+psycopg"})
_LARGEST_PORT: Final = 65535


def words_of(value: object) -> object:
    """Read a list of words separated by commas; what is no text stays as it is."""
    return words_in(value) if isinstance(value, str) else value


def words_in(text: str) -> list[str]:
    """The words of a list separated by commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def _parts_of(url: str) -> SplitResult:
    """Take a URL apart. The library's own message would quote it."""
    try:
        parts = urlsplit(url)
        readable = url.isprintable() and " " not in url and parts.port != 0
    except ValueError:
        readable = False
    if not readable:
        raise ValueError("cannot be read as an address; percent-encode its special characters")
    return parts


def _http_url(value: str) -> str:
    parts = _parts_of(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http:// or https:// address")
    if "@" in parts.netloc:
        raise ValueError("must not carry credentials; give them in their own settings")
    if parts.query or parts.fragment:
        raise ValueError("must end with its path, without '?' and '#'")
    _refuse_metadata(parts.hostname)
    return value.rstrip("/")


def _refuse_metadata(host: str) -> None:
    name = host.rstrip(".").lower()
    address = _literal_address(name)
    if name in _METADATA_HOSTS or (
        address is not None and (address.is_link_local or str(address) in _METADATA_ADDRESSES)
    ):
        raise ValueError("must not be a cloud's metadata address")


def _literal_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address in every spelling that the system's resolver takes, such as one decimal number."""
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        pass
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        return None
    return address.ipv4_mapped or address


def json_list_or(words: Callable[[str], object], wanted: str) -> BeforeValidator:
    """Read a JSON list, or what `words` makes of another text; `wanted` says what it must be."""

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        if not value.lstrip().startswith("["):
            return words(value)
        try:
            return parse_json(value)
        except ValueError:
            raise ValueError(f"must be {wanted}") from None

    return BeforeValidator(read)


def _bootstrap_servers(value: str) -> str:
    servers = [server.strip() for server in value.split(",")]
    for server in servers:
        host, _, port = server.rpartition(":")
        plain = host.isprintable() and not any(sign in host for sign in "@/ ")
        if not (host and plain and port.isascii() and port.isdigit() and 0 < int(port) <= _LARGEST_PORT):
            raise ValueError("must be host:port, several separated by commas")
    return ",".join(servers)


def _database_url(secret: SecretStr) -> SecretStr:
    parts = _parts_of(secret.get_secret_value())
    if parts.scheme not in _POSTGRESQL:
        raise ValueError("must be a postgresql:// address; Laurel has no other run store")
    if not parts.path.strip("/"):
        raise ValueError("must name a database: postgresql://user:password@host:5432/database")
    return secret


def _remote_url(value: str) -> str:
    if "://" not in value:
        return str(Path(value).absolute())
    parts = _parts_of(value)
    if parts.scheme == "file":
        raise ValueError("is a folder: write its path, without file://")
    if parts.password is not None or (parts.username and parts.scheme != "ssh"):
        raise ValueError("must not carry credentials; the remote's own environment variables hold them")
    if parts.hostname:
        _refuse_metadata(parts.hostname)
    return value


# Runs remember where their files are, and another process may stand elsewhere.
Folder = Annotated[Path, AfterValidator(Path.absolute)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
HttpUrls = Annotated[
    tuple[HttpUrl, ...],
    NoDecode,
    json_list_or(lambda address: (address,), "one address, or a JSON list of addresses"),
]
BootstrapServers = Annotated[str, AfterValidator(_bootstrap_servers)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
RemoteUrl = Annotated[str, AfterValidator(_remote_url)]


def password_in(url: str) -> str | None:
    """The password that a database URL holds, as it is sent: before the host, or among the parameters."""
    parts = urlsplit(url)
    if parts.password is not None:
        return unquote(parts.password)
    return next(iter(parse_qs(parts.query).get("password", ())), None)


class TlsSettings(BaseModel):
    """Whom the group's connections trust, and who they are."""

    ca_file: Folder | None = Field(
        default=None, description="further certificates (PEM) to trust with TLS, beyond the system's"
    )
    client_cert_file: Folder | None = Field(
        default=None, description="certificate (PEM) for a server that requires one"
    )
    client_key_file: Folder | None = Field(
        default=None, description="its private key (PEM, no passphrase), unless it is in the same file"
    )

    @field_validator("client_key_file")
    @classmethod
    def _key_of_a_certificate(cls, key: Folder | None, info: ValidationInfo) -> Folder | None:
        if key is not None and info.data.get("client_cert_file") is None:
            raise ValueError("is set without the CLIENT_CERT_FILE that it belongs to")
        return key


def _networks(value: object) -> object:
    """Read addresses and networks separated by commas."""
    if not isinstance(value, str):
        return value
    try:
        return tuple(ip_network(word) for word in words_in(value))
    except ValueError:
        raise ValueError("must be addresses or networks separated by commas: 10.0.0.7, 10.1.0.0/16") from None


def _without_ports(hosts: tuple[str, ...]) -> tuple[str, ...]:
    for host in hosts:
        name, mark, port = host.rpartition(":")
        if "/" in host or "*" in host or (mark and port.isdigit() and ":" not in name):
            raise ValueError("must be names or addresses of hosts, without scheme, port and path")
    return hosts


Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)]
HostNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(words_of), AfterValidator(_without_ports)]


class EntranceSettings(BaseModel):
    """How a server works behind load balancers, and for browsers."""

    trusted_proxies: Networks = Field(
        default=(), description="load balancers whose X-Forwarded-For is trusted, addresses or networks"
    )
    allowed_hosts: HostNames = Field(
        default=(), description="host names that it answers to, in addition to probes; none: any"
    )
    drain_seconds: NonNegativeFloat = Field(
        default=0.0,
        le=600,
        description="time after SIGTERM in which it still serves but reports that it is not ready",
    )
