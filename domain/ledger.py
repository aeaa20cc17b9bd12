"""The promotion ledger: who was champion, since when and why; only ever added to, each entry sealed."""

import hashlib
import json
from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import Field

from domain.metrics import Score
from domain.promotion_checks import PromotionPolicy
from domain.values import Sha256, Value, VersionTriple

FIRST_HASH: Final = "0" * 64  # what the first entry points back to
RECENT: Final = 1000  # generations that one looks back on; older ones are named, or asked for by their moment


class Cause(StrEnum):
    """Why the champion changed."""

    GATE = "gate"
    OVERRIDE = "override"
    ADOPTED = "adopted"
    ROLLBACK = "rollback"
    REPAIR = "repair"
    RECOVERY = "recovery"


class LedgerEntry(Value):
    """One generation.

    A gate's entry carries the run, its triple, both scores and the policy that was applied, so that the
    decision can be checked again from the entry alone. `run_id` is set in a gate's entry only: events take
    their ids from it. Others carry triple and `mlflow_run_id` if the version's run has all three versions.

    `previous_generation` is set in a recovery's entry only, which may leave numbers out. `model_digest` seals
    the model's files; it is not in the sealed text, where Laurel 0.1.0 refuses a field that it does not know.
    """

    model_name: str
    generation: int = Field(ge=1)
    version: int = Field(ge=1)
    model_uri: str
    cause: Cause
    previous_hash: Sha256
    previous_version: int | None = None
    previous_generation: int | None = None
    run_id: str | None = None
    mlflow_run_id: str | None = None
    correlation_id: str | None = None
    triple: VersionTriple | None = None
    candidate_score: Score | None = None
    champion_score: Score | None = None
    policy: PromotionPolicy | None = None
    reasons: tuple[str, ...] = Field(min_length=1)
    actor: str
    at: datetime
    model_digest: Sha256 | None = None

    @property
    def hash(self) -> str:
        """sha256 over `text`, 64 hex digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def text(self) -> str:
        """The entry's canonical JSON: RFC 8259, sorted keys, no spaces, UTF-8; what is not known is absent.

        So a field that a later version adds does not change the seal of an older entry.
        """
        content = self.model_dump(mode="json", exclude_none=True, exclude={"model_digest"})
        return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def next_entry(model_name: str, head: LedgerEntry | None, *, version: int, **facts: object) -> LedgerEntry:
    """Make the entry that would follow `head` (None: an empty ledger); appending it decides."""
    return LedgerEntry.model_validate(
        {
            "model_name": model_name,
            "generation": head.generation + 1 if head else 1,
            "version": version,
            "model_uri": f"models:/{model_name}/{version}",
            "previous_hash": head.hash if head else FIRST_HASH,
            "previous_version": head.version if head else None,
            **facts,
        }
    )


def recovery_entry(
    model_name: str, head: LedgerEntry | None, *, highest: int, version: int, **facts: object
) -> LedgerEntry:
    """Make the entry by which a person goes on after numbers were lost: above `highest`, the highest used."""
    return next_entry(
        model_name,
        head,
        version=version,
        generation=highest + 1,
        previous_generation=head.generation if head else None,
        cause=Cause.RECOVERY,
        **facts,
    )
