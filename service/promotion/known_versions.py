"""A registered version as Laurel knows it: what it says itself, else what the run store and its run say.

A person may have registered it from a run of ours; nothing but its source then tells whose files it has.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from domain.errors import ModelUnusable, NeverRetry
from domain.ledger import Cause, LedgerEntry
from domain.models import RecordedRun, RegisteredVersion
from domain.package_tags import (
    DIGEST_TAG,
    FEATURES_TAG,
    MANIFEST_TAG,
    RUN_TAG,
    SHARED_TAGS,
    SIGNATURE_TAG,
    package_tags,
    signed_text,
)
from domain.ports.experiment_tracker import ExperimentTracker
from domain.ports.model_registry import ModelRegistry
from domain.ports.run_store import RunStore
from service.runtime.lazy_log import LaterLog

log = LaterLog(__name__)


class FoundVersion(NamedTuple):
    """A version that can be a generation, and the run that made it, if MLflow has it."""

    version: RegisteredVersion
    run: RecordedRun | None


@dataclass(frozen=True)
class KnownVersions:
    """Reads one model's registered versions. `sign` signs them; None without a key."""

    model_name: str
    registry: ModelRegistry
    store: RunStore
    tracker: ExperimentTracker
    sign: Callable[[bytes], str] | None = None

    async def known_version(
        self, number: int, newest: RegisteredVersion | None = None
    ) -> RegisteredVersion | None:
        """One version with its source followed and its tags made complete; None when the registry has none.

        It is not asked for if it is `newest`, which the registry has just told. Raises ModelUnusable for a
        source that leads nowhere.
        """
        is_told = newest is not None and newest.version == number
        version = newest if is_told else await self.registry.version(self.model_name, number)
        return None if version is None else await self.completed(version)

    async def completed(self, version: RegisteredVersion) -> RegisteredVersion:
        """Fill in what a version does not say of its files; believe the run store before the logged model."""
        resolved = await self.registry.resolved(self.model_name, version)
        if MANIFEST_TAG in version.tags or resolved.mlflow_run_id is None:
            return resolved
        stored = await self._stored_tags(resolved.mlflow_run_id, resolved.source)
        return resolved.model_copy(update={"tags": {**resolved.tags, **stored}})

    async def usable_version(self, number: int) -> FoundVersion:
        """Look at a version as `laurel adopt` does before it may become a generation.

        Raises ModelUnusable `alias_unusable`, which says what to do.
        """
        try:
            version = await self.known_version(number)
            if version is None:
                raise ModelUnusable("version_missing", "the registry does not hold it")
            await self.registry.look(version)
        except NeverRetry as error:
            raise ModelUnusable(
                "alias_unusable",
                f"the alias names version {number}, which cannot be used: {error.message}; "
                "point the alias at a complete version, or delete the alias",
                version=number,
                problem=error.reason,
            ) from error
        run_id = version.mlflow_run_id
        return FoundVersion(version, await self.tracker.recorded(run_id) if run_id else None)

    async def missing_tags(self, number: int) -> dict[str, str]:
        """What a version of ours that a person registered does not say, for servers.

        Signed, if there is a key and the run store knows the digest: the logger of a model can write any
        other.
        """
        version = await self.registry.version(self.model_name, number)
        if version is None or MANIFEST_TAG in version.tags:
            return {}
        known = await self.completed(version)
        if MANIFEST_TAG not in known.tags:
            return {}
        tags = {name: known.tags[name] for name in SHARED_TAGS if name in known.tags}
        return await self._vouched_signature(known) | tags

    async def late_signature(self, head: LedgerEntry) -> dict[str, str]:
        """The signature that the champion lacks since a release that made none, or a worker without a key.

        Only for the digest that the run store, or the entry that took the version over, has of it.
        """
        if self.sign is None:
            return {}
        version = await self.registry.version(self.model_name, head.version)
        if version is None or SIGNATURE_TAG in version.tags or DIGEST_TAG not in version.tags:
            return {}
        known = await self.registry.resolved(self.model_name, version)
        if head.cause is Cause.ADOPTED and head.model_digest == known.tags[DIGEST_TAG]:
            return self.signature_tag(known.mlflow_run_id or "", known.tags[DIGEST_TAG])
        return await self._vouched_signature(known)

    async def _vouched_signature(self, version: RegisteredVersion) -> dict[str, str]:
        run_id, digest = version.mlflow_run_id, version.tags[DIGEST_TAG]
        if self.sign is None or run_id is None:
            return {}
        stored = await self._stored_tags(run_id, version.source)
        if stored.get(DIGEST_TAG) != digest:
            why = "the run store has no such digest for its run"
            log.warning("not_signed", version=version.version, why=why)
            return {}
        return self.signature_tag(run_id, digest)

    def signature_tag(self, mlflow_run_id: str, digest: str) -> dict[str, str]:
        """A tag for servers that have the other half of the key; none without a key."""
        if self.sign is None:
            return {}
        return {SIGNATURE_TAG: self.sign(signed_text(self.model_name, mlflow_run_id, digest))}

    async def _stored_tags(self, mlflow_run_id: str, source: str) -> dict[str, str]:
        """What a worker would have tagged, if the run store knows the run and this is its model."""
        for run in await self.store.find(mlflow_run_id):
            made, triple = run.record.trained, run.record.triple
            if run.mlflow_run_id != mlflow_run_id or made is None or triple is None:
                continue
            if made.model.uri == source:
                package = package_tags(made.package.manifest, made.package.digest)
                return {**package, RUN_TAG: run.run_id, FEATURES_TAG: str(triple.feature_version)}
        return {}
