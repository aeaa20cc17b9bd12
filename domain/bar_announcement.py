"""How holds and quarantines are announced: every word comes from what is stored.

So whoever ends a hold at its time says the same.
"""

from datetime import datetime

from domain.announcement import Announcement, announce, hold_event_id, quarantine_event_id
from domain.events import Event, ModelQuarantined, ModelQuarantineLifted, PromotionHeld, PromotionReleased
from domain.hold import HoldEnding, PromotionHold
from domain.quarantine import Lift, Quarantine


def hold_begun(hold: PromotionHold) -> Announcement:
    """Make `promotion.held` ready for the wire."""
    event = PromotionHeld(
        model_name=hold.model_name,
        hold_id=hold.hold_id,
        reason=hold.reason,
        actor=hold.actor.name,
        door=hold.actor.door,
        proven=hold.actor.proven,
        held_at=hold.at.isoformat(),
        until=hold.until.isoformat() if hold.until else None,
    )
    return _told(event, hold_event_id(hold.model_name, hold.hold_id, "held"), hold.at, None)


def hold_ended(hold: PromotionHold, ending: HoldEnding) -> Announcement:
    """Make `promotion.released` ready for the wire."""
    actor = ending.actor
    event = PromotionReleased(
        model_name=hold.model_name,
        hold_id=hold.hold_id,
        reason=ending.reason,
        actor=actor.name if actor else None,
        door=actor.door if actor else None,
        proven=actor.proven if actor else False,
        released_at=ending.at.isoformat(),
        held_at=hold.at.isoformat(),
        held_by=hold.actor.name,
        held_because=hold.reason,
    )
    name, hold_id = hold.model_name, hold.hold_id
    return _told(
        event, hold_event_id(name, hold_id, "released"), ending.at, hold_event_id(name, hold_id, "held")
    )


def quarantine_begun(quarantine: Quarantine) -> Announcement:
    """Make `model.quarantined` ready for the wire."""
    event = ModelQuarantined(
        **_of(quarantine),
        actor=quarantine.actor,
        reason=quarantine.reason,
        quarantined_at=quarantine.at.isoformat(),
    )
    return _told(event, _id(quarantine, "quarantined"), quarantine.at, None)


def quarantine_ended(quarantine: Quarantine, lift: Lift) -> Announcement:
    """Make `model.quarantine_lifted` ready for the wire."""
    event = ModelQuarantineLifted(
        **_of(quarantine),
        actor=lift.actor.name,
        door=lift.actor.door,
        proven=lift.actor.proven,
        reason=lift.reason,
        lifted_at=lift.at.isoformat(),
    )
    return _told(event, _id(quarantine, "lifted"), lift.at, _id(quarantine, "quarantined"))


def _of(quarantine: Quarantine) -> dict[str, object]:
    recipe = quarantine.recipe
    return {
        "model_name": quarantine.model_name,
        "run_id": quarantine.run_id,
        "generation": quarantine.generation,
        "version": quarantine.version,
        "by_generation": quarantine.by_generation,
        "versions": recipe.triple if recipe else None,
        "train_digest": recipe.train_digest if recipe else None,
    }


def _id(quarantine: Quarantine, outcome: str) -> str:
    one = quarantine
    return quarantine_event_id(one.model_name, one.generation, one.by_generation, outcome)


def _told(event: Event, event_id: str, at: datetime, causation_id: str | None) -> Announcement:
    """Put an event that no request brought about on the wire: what follows belongs to what began it."""
    correlation_id = causation_id or event_id
    return announce(event, event_id=event_id, at=at, correlation_id=correlation_id, causation_id=causation_id)
