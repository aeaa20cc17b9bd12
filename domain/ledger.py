"""The promotion ledger: who was champion, since when and why; only ever added to, each entry sealed."""

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import Field

from domain.promotion_policy import PromotionPolicy
from domain.score import Score
from domain.values import Sha256, Value
from domain.version_triple import VersionTriple

FIRST_HASH: Final = "0" * 64  # what the first entry points back to


class Cause(StrEnum):
    """Why the champion changed."""

    GATE = "gate"
    OVERRIDE = "override"
    ADOPTED = "adopted"
    ROLLBACK = "rollback"
    REPAIR = "repair"


class LedgerEntry(Value):
    """One generation.

    A gate's entry carries the run, its triple, both scores and the policy that was applied, so that the
    decision can be checked again from the entry alone. `run_id` is set in a gate's entry only: events take
    their ids from it. Others carry triple and `mlflow_run_id` if the version's run has all three versions.
    """

    model_name: str
    generation: int = Field(ge=1)
    version: int = Field(ge=1)
    model_uri: str
    cause: Cause
    previous_hash: Sha256
    previous_version: int | None = None
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

    @property
    def hash(self) -> str:
        """sha256 over `text`, 64 hex digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def text(self) -> str:
        """The entry's canonical JSON: RFC 8259, sorted keys, no spaces, UTF-8; what is not known is absent.

        So a field that a later version adds does not change the seal of an older entry.
        """
        content = self.model_dump(mode="json", exclude_none=True)
        return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def next_entry(model_name: str, head: LedgerEntry | None, *, version: int, **facts: Any) -> LedgerEntry:
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


def first_broken_link(entries: Iterable[LedgerEntry]) -> int | None:
    """Walk a model's entries in order; return the first generation that does not follow the one before."""
    expected_hash, expected_generation = FIRST_HASH, 1
    for entry in entries:
        if entry.generation != expected_generation or entry.previous_hash != expected_hash:
            return expected_generation
        expected_hash, expected_generation = entry.hash, expected_generation + 1
    return None
