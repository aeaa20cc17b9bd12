"""How to reach the brokers: one value for every client."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from service.adapters.tls.trust import Trust

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

# A broker takes 1 MiB for a batch, packed or not, unless its topic says otherwise.
UNPACKED_BYTES: Final = 8 << 20


@dataclass(frozen=True)
class KafkaConnection:
    """Addresses as `host:port,host:port`; with SASL a user and a password.

    With SSL a CA to trust in addition to the usual ones, and a client certificate with its key.

    `request_seconds` bounds every request; it is longer than a group's session, for a join waits that long.
    `topology_seconds` is how old may be what a client knows of topics: one that grows, or is made again, is
    not noticed before.
    """

    bootstrap_servers: str
    client_id: str = "laurel"
    protocol: Protocol = "PLAINTEXT"
    mechanism: Mechanism = "SCRAM-SHA-512"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None
    request_seconds: float = 15.0
    topology_seconds: float = 30.0

    def options(self) -> dict[str, Any]:
        """Keyword arguments for every aiokafka client. Raises Stop for a file that cannot be used."""
        age = {"metadata_max_age_ms": int(self.topology_seconds * 1000)}
        return self.wire_options() | age

    def wire_options(self) -> dict[str, Any]:
        """Keyword arguments for a bare connection. Raises Stop for a file that cannot be used."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "client_id": self.client_id,
            "security_protocol": self.protocol,
            "request_timeout_ms": int(self.request_seconds * 1000),
        }
        if self.protocol.endswith("SSL"):
            trust = Trust("KAFKA", self.ca_file, self.client_cert_file, self.client_key_file)
            options["ssl_context"] = trust.context()
        if self.protocol.startswith("SASL"):
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return options
