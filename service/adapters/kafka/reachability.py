"""Why a broker behind TLS is not reached: its client only says that no broker was."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Final

from domain.errors import TryLater
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.topic_provisioning import missing_topics
from service.adapters.tls.causes import Cause, cause_of

_SECONDS: Final = 5.0
_ADDRESS: Final = "KAFKA_BOOTSTRAP_SERVERS and KAFKA__SECURITY_PROTOCOL"


async def topics_that_are_missing(
    connection: KafkaConnection, names: Sequence[str] | Mapping[str, Any]
) -> list[str]:
    """Say which topics are missing. Raises Stop; TryLater, with TLS's own word if that is the cause."""
    try:
        return list(await missing_topics(connection, names))
    except TryLater as error:
        if (cause := await _tls_cause(connection)) is None:
            raise
        facts = {**error.facts, "advice": cause.advice}
        raise TryLater(error.reason, f"{error.message}: {cause}", **facts) from error


async def _tls_cause(connection: KafkaConnection) -> Cause | None:
    context = connection.options().get("ssl_context")
    if context is None:
        return None
    for server in connection.bootstrap_servers.split(","):
        host, _, port = server.rpartition(":")
        try:
            await _shake_hands(host.strip("[]"), int(port), context)
        except ssl.SSLError as error:
            return cause_of(error, "KAFKA", _ADDRESS, https=True)
        except (OSError, TimeoutError):
            continue
    return None


async def _shake_hands(host: str, port: int, context: ssl.SSLContext) -> None:
    async with asyncio.timeout(_SECONDS):
        _, writer = await asyncio.open_connection(host, port, ssl=context)
        writer.close()
