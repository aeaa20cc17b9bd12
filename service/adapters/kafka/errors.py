"""Kafka's errors, sorted once by the reaction that they ask for."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)

from domain.errors import LaurelError, NeverRetry, Stop, TryLater

TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
DENIED = (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
    ssl.SSLError,
)


def sort(error: BaseException, doing: str, reason: str = "kafka_unavailable") -> LaurelError:
    """Turn what a client raised while `doing` something into the error that says what to do about it."""
    said = f"kafka: {doing}: {type(error).__name__}"
    if isinstance(error, TOO_LARGE):
        return NeverRetry("event_too_large", f"{said}: larger than the topic allows")
    if isinstance(error, DENIED):
        return Stop("kafka_denied", f"{said}: {error}")
    return TryLater(reason, said, waiting_on="kafka")


@asynccontextmanager
async def kafka_errors(
    doing: str, *, within: float, reason: str = "kafka_unavailable"
) -> AsyncIterator[None]:
    """Bound a call in time and translate what it raises; the vendor's error stays the cause."""
    try:
        async with asyncio.timeout(within):
            yield
    except (KafkaError, TimeoutError, OSError) as error:
        raise sort(error, doing, reason) from error
