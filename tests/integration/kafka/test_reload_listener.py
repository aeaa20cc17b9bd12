"""Promotions on the real broker: the listener asks every server once for each, whoever answers."""

import asyncio
import uuid
from datetime import UTC, datetime
from functools import partial

from structlog.testing import capture_logs

from config.topics import reloads_group
from domain.announcement import announce
from domain.events import ModelPromoted
from domain.ledger import Cause
from handlers.model_promoted import on_model_promoted
from handlers.router import route
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.delivery import KafkaDelivery
from service.adapters.kafka.inbox import KafkaInbox
from service.adapters.kafka.publisher import KafkaPublisher
from service.adapters.kafka.record_batches import Limits
from service.adapters.kafka.topic_provisioning import ensure_topics
from service.metrics import Metrics
from tests.eventually import eventually
from tests.fakes.inference_servers import FakeInferenceServers


def promoted(model: str, generation: int) -> ModelPromoted:
    return ModelPromoted(
        model_name=model,
        run_id=None,
        mlflow_run_id=None,
        version=generation + 4,
        model_uri="models:/m-1",
        generation=generation,
        previous_version=None,
        previous_generation=None,
        versions=None,
        cause=Cause.ADOPTED,
        candidate=None,
        champion=None,
        reference_digest=None,
        reasons=("found in production",),
        actor="worker-1",
        promoted_at="2026-01-01T00:00:00+00:00",
    )


async def test_each_promotion_reloads_once_and_if_nobody_answers_there_is_a_warning_and_no_more(
    connection: KafkaConnection,
) -> None:
    model = f"price-{uuid.uuid4().hex[:8]}"
    await ensure_topics(connection, {ModelPromoted.topic: {}})
    servers, metrics = FakeInferenceServers("a", "b", down=["b"]), Metrics()
    handle = partial(on_model_promoted, servers=servers, model_name=model, max_bytes=1 << 18)
    delivery = KafkaDelivery(metrics=metrics)
    router = route(
        ModelPromoted.topic, handle, group=reloads_group(model), member="listener-1", delivery=delivery
    )
    inbox = KafkaInbox(connection, router, delivery, metrics=metrics, limits=Limits())
    publisher = KafkaPublisher(connection, metrics=metrics, max_event_bytes=1 << 20)
    task = asyncio.create_task(inbox.run())
    with capture_logs() as said:
        for generation in (1, 2, 3):
            servers.down = {"a", "b"} if generation == 2 else {"b"}
            event = announce(
                promoted(model, generation),
                event_id=f"{model}-{generation}",
                at=datetime.now(tz=UTC),
                correlation_id="c",
                causation_id=None,
            )
            await publisher.publish(event)
            await eventually(lambda count=generation: len(servers.asked) == count)  # type: ignore[misc]
        await eventually(lambda: sum(line["event"] == "record_reloaded" for line in said) == 2)
    assert servers.asked == [(1, 5), (2, 6), (3, 7)]
    warnings = [line for line in said if line["event"] == "record_nobody_reloaded"]
    assert [(line["log_level"], line["generation"]) for line in warnings] == [("warning", 2)]
    task.cancel()
    await asyncio.wait([task])
    await publisher.stop()
