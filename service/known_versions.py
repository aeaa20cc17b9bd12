"""A registered version as Laurel knows it: what it says itself, else what the run store and its run say.

A person may have registered it from a run of ours; nothing but its source then tells whose files it has.
"""

from typing import NamedTuple

from domain.errors import ModelUnusable, NeverRetry
from domain.lifecycle import Step
from domain.model_signature import SIGNATURE_TAG, signed_text
from domain.models import RecordedRun, RegisteredVersion
from domain.package_tags import DIGEST_TAG, FEATURES_TAG, MANIFEST_TAG, RUN_TAG, SHARED_TAGS, package_tags
from domain.resolved_config import ResolvedConfig
from service.steps.outputs import Trained
from service.world import World


class FoundVersion(NamedTuple):
    """A version that can be a generation, and the run that made it, if MLflow has it."""

    version: RegisteredVersion
    run: RecordedRun | None


async def known_version(world: World, number: int) -> RegisteredVersion | None:
    """One version with its source followed and its tags made complete; None when the registry has none.

    Raises ModelUnusable for a source that leads nowhere.
    """
    version = await world.registry.version(world.model_name, number)
    return None if version is None else await completed(world, version)


async def completed(world: World, version: RegisteredVersion) -> RegisteredVersion:
    """Fill in what a version does not say of its files; the run store is believed before the logged model."""
    resolved = await world.registry.resolved(world.model_name, version)
    if MANIFEST_TAG in version.tags or resolved.mlflow_run_id is None:
        return resolved
    stored = await _stored_tags(world, resolved.mlflow_run_id, resolved.source)
    return resolved.model_copy(update={"tags": {**resolved.tags, **stored}})


async def usable_version(world: World, number: int) -> FoundVersion:
    """Look at a version as `laurel adopt` does before it may become a generation.

    Raises ModelUnusable `alias_unusable`, which says what to do.
    """
    try:
        version = await known_version(world, number)
        if version is None:
            raise ModelUnusable("version_missing", "the registry does not hold it")
        await world.registry.look(version)
    except NeverRetry as error:
        raise ModelUnusable(
            "alias_unusable",
            f"the alias names version {number}, which cannot be used: {error.message}; "
            "point the alias at a version that is whole, or delete the alias",
            version=number,
            problem=error.reason,
        ) from error
    run_id = version.mlflow_run_id
    return FoundVersion(version, await world.tracker.recorded(run_id) if run_id else None)


async def missing_tags(world: World, number: int) -> dict[str, str]:
    """What a version of ours that a person registered does not say, for servers; signed if there is a key."""
    version = await world.registry.version(world.model_name, number)
    if version is None or MANIFEST_TAG in version.tags:
        return {}
    known = await completed(world, version)
    if MANIFEST_TAG not in known.tags:
        return {}
    tags = {name: known.tags[name] for name in SHARED_TAGS if name in known.tags}
    return signature_tag(world, known.mlflow_run_id or "", known.tags[DIGEST_TAG]) | tags


def signature_tag(world: World, mlflow_run_id: str, digest: str) -> dict[str, str]:
    """A tag for servers that have the other half of the key; none without a key."""
    if world.sign is None:
        return {}
    return {SIGNATURE_TAG: world.sign(signed_text(world.model_name, mlflow_run_id, digest))}


async def _stored_tags(world: World, mlflow_run_id: str, source: str) -> dict[str, str]:
    """What a worker would have tagged, if the run store knows the run and this is its model."""
    for run in await world.store.find(mlflow_run_id):
        trained = run.outputs.get(Step.TRAIN)
        if run.mlflow_run_id != mlflow_run_id or trained is None:
            continue
        made = Trained.model_validate(trained)
        if made.model.uri == source:
            config = ResolvedConfig.model_validate(run.outputs[Step.RESOLVE])
            package = package_tags(made.package.manifest, made.package.digest)
            return {**package, RUN_TAG: run.run_id, FEATURES_TAG: str(config.triple.feature_version)}
    return {}
