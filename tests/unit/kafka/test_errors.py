"""Kafka's errors come out sorted by what is to be done."""

import asyncio

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    TopicAuthorizationFailedError,
)

from domain.errors import LaurelError, NeverRetry, Stop, TryLater
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.errors import kafka_errors


@pytest.mark.parametrize(
    ("raised", "reaction"),
    [
        (KafkaConnectionError("refused"), TryLater),
        (OutOfOrderSequenceNumber(), TryLater),
        (TimeoutError(), TryLater),
        (ConnectionResetError(), TryLater),
        (MessageSizeTooLargeError(), NeverRetry),
        (TopicAuthorizationFailedError("model.promoted"), Stop),
    ],
)
async def test_each_error_asks_for_its_reaction(raised: Exception, reaction: type[LaurelError]) -> None:
    with pytest.raises(reaction) as sorted_error:
        async with kafka_errors("sending", within=5):
            raise raised
    assert sorted_error.value.__cause__ is raised


async def test_a_call_that_takes_too_long_waits_on_kafka() -> None:
    with pytest.raises(TryLater) as late:
        async with kafka_errors("sending", within=0.01):
            await asyncio.sleep(10)
    assert late.value.waiting_on == "kafka"


def test_a_connection_never_shows_its_password() -> None:
    connection = KafkaConnection("h:1", protocol="SASL_SSL", username="u", password="canary-7")  # noqa: S106
    assert "canary-7" not in repr(connection)
    assert connection.options()["sasl_plain_password"] == "canary-7"  # noqa: S105


def test_tls_checks_certificates_and_names() -> None:
    context = KafkaConnection("h:1", protocol="SSL").options()["ssl_context"]
    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"
