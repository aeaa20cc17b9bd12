"""A model was promoted: followers of the ledger read its head now instead of waiting for their next poll."""

from collections.abc import Callable

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from domain.announcement import generation_event_id
from domain.convergence import RolloutTarget
from domain.events import ModelPromoted
from domain.record import Record, Unreadable
from domain.strict_json import DEEPEST_EVENT
from domain.values import Sha256
from handlers.envelope import EnvelopeRefused, open_record
from handlers.handled import Handled, unreadable


class Promotion(BaseModel):
    """What a reload needs of `ModelPromoted`; all else may change without this reader noticing."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, protected_namespaces=())

    model_name: str
    generation: int = Field(ge=1, lt=2**63)
    version: int = Field(ge=1, lt=2**63)
    promoted_at: AwareDatetime | None = None
    model_digest: Sha256 | None = None


async def on_model_promoted(
    record: Record, *, promoted: Callable[[RolloutTarget], None], model_name: str, max_bytes: int
) -> Handled:
    """Pass it on. What cannot be read is passed over, and not in silence: a promotion may be in it.

    Nothing waits here for a server: the record may be committed at once, for after a crash the listener
    begins with a look at the ledger's head.
    """
    wanted = read_promotion(record, model_name=model_name, max_bytes=max_bytes)
    if isinstance(wanted, Unreadable):
        return unreadable(wanted)
    if isinstance(wanted, str):
        return Handled(outcome="skipped", facts={"model_name": wanted[:200]})
    promoted(wanted)
    return Handled(outcome="heard", facts={"generation": wanted.generation, "version": wanted.version})


def read_promotion(record: Record, *, model_name: str, max_bytes: int) -> RolloutTarget | Unreadable | str:
    """Read the event in either mode of CloudEvents, or as plain JSON; a text names another model."""
    try:
        opened = open_record(
            record, wire_type=ModelPromoted.wire_type, max_bytes=max_bytes, deepest=DEEPEST_EVENT
        )
        event = Promotion.model_validate(opened.payload)
    except EnvelopeRefused as refused:
        return refused.why
    except ValidationError as error:
        fields = sorted({".".join(map(str, found["loc"])) for found in error.errors()})
        return Unreadable(
            reason="bad_event", detail=f"not as {ModelPromoted.wire_type} says: {', '.join(fields)}"
        )
    if event.model_name != model_name:
        return event.model_name
    return RolloutTarget(
        generation=event.generation,
        version=event.version,
        promoted_at=event.promoted_at,
        promotion_id=opened.attributes.get("id") or generation_event_id(model_name, event.generation),
        correlation_id=opened.attributes.get("correlationid"),
        digest=event.model_digest,
    )
