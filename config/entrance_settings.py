"""The settings of a server that people and balancers call: whom it takes a call from, and how it leaves."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, NonNegativeFloat
from pydantic_settings import NoDecode

from config.addresses import words_in, words_of


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
