"""A model was promoted: ask every inference server to reload, best effort."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.events import ModelPromoted
from domain.points import NO_POINTS, Point, Points
from domain.ports.inference_servers import InferenceServers, ReloadAnswer
from domain.record import Record, Unreadable
from handlers.envelope import Refused, open_record
from handlers.handled import Handled


class Promotion(BaseModel):
    """What a reload needs of `ModelPromoted`; all else may change without this reader noticing."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, protected_namespaces=())

    model_name: str
    generation: int = Field(ge=1)
    version: int = Field(ge=1)


async def on_model_promoted(
    record: Record,
    *,
    servers: InferenceServers,
    model_name: str,
    max_bytes: int,
    points: Points = NO_POINTS,
) -> Handled:
    """Ask them all; what cannot be read is skipped, since only a person's own record gets here unreadable."""
    event = read_promotion(record, max_bytes=max_bytes)
    if isinstance(event, Unreadable):
        return Handled(outcome="skipped", facts={"reason": event.reason, "detail": event.detail})
    if event.model_name != model_name:
        return Handled(outcome="skipped", facts={"model_name": event.model_name[:200]})
    await points.at(Point.RELOAD_BEFORE_POST)
    answers = await servers.reload(event.generation, event.version)
    await points.at(Point.RELOAD_AFTER_POST)
    return _report(event, answers)


def read_promotion(record: Record, *, max_bytes: int) -> Promotion | Unreadable:
    """Read the event in either mode of CloudEvents."""
    try:
        opened = open_record(record, wire_type=ModelPromoted.wire_type, max_bytes=max_bytes)
        return Promotion.model_validate(opened.payload)
    except Refused as refused:
        return refused.why
    except ValidationError as error:
        fields = sorted({".".join(map(str, found["loc"])) for found in error.errors()})
        return Unreadable(
            reason="bad_event", detail=f"not as {ModelPromoted.wire_type} says: {', '.join(fields)}"
        )


def _report(event: Promotion, answers: Sequence[ReloadAnswer]) -> Handled:
    facts: dict[str, Any] = {
        "generation": event.generation,
        "version": event.version,
        "servers": len(answers),
        "reloaded": sum(answer.reloaded for answer in answers),
    }
    if problems := {answer.server: answer.problem for answer in answers if not answer.reloaded}:
        facts["problems"] = problems
    return Handled(outcome="reloaded" if facts["reloaded"] else "nobody_reloaded", facts=facts)
