"""A broker whose certificate is not good: the start ends with the cause and the setting that helps."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.errors import Stop
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.topic_provisioning import missing_topics
from tests.harm.tls import Authority


async def _goes_away(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize(
    ("name", "trusts", "said", "setting"),
    [
        ("127.0.0.1", lambda _: None, "unable to get local issuer certificate", "KAFKA__CA_FILE"),
        ("kafka.company", lambda ca: str(ca.file), "IP address mismatch", "KAFKA_BOOTSTRAP_SERVERS"),
    ],
    ids=["unknown CA", "another name"],
)
async def test_a_certificate_that_is_not_good_is_named_by_its_fault(
    tmp_path: Path, name: str, trusts: Callable[[Authority], str | None], said: str, setting: str
) -> None:
    authority = Authority(tmp_path)
    server = await asyncio.start_server(_goes_away, "127.0.0.1", 0, ssl=authority.server(name))
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    connection = KafkaConnection(address, protocol="SSL", ca_file=trusts(authority), request_seconds=5)
    async with server:
        with pytest.raises(Stop, match=f"certificate verify failed: {said}") as refusal:
            await missing_topics(connection, ["training.requested"])
    assert refusal.value.reason == "kafka_denied"
    assert setting in refusal.value.message
