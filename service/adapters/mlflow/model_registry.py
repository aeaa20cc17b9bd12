"""Port `ModelRegistry` on MLflow's model registry."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from domain.errors import NeverRetry, TryLater
from domain.models import LoggedModel, RegisteredModel, RegisteredVersion
from domain.package_tags import LEDGER_TAG, MANIFEST_TAG, SHARED_TAGS
from domain.tracker_limits import VERSION_TAG
from service.adapters.mlflow.answer_types import MlflowAnswer, ModelVersion
from service.adapters.mlflow.errors import (
    ABSENT,
    EXISTS,
    code_of,
    is_of_its_database,
    says_absent,
    unavailable,
    well_formed,
)
from service.adapters.mlflow.rest import ORPHAN_TAG, MlflowRest, create_or_adopt, quoted, side_by_side
from service.adapters.mlflow.version_source import LOGGED_MODEL, VersionOrigin, VersionSources, tags_of

_SEARCH: Final = "model-versions/search"
_MODEL: Final = "registered-models/get"
_HIGHEST_VERSION: Final = 2**31 - 1  # of MLflow's database: it answers a higher one with an error of its own
_ABOUT: Final = (
    "Champions that Laurel promoted, one version each. The alias `{alias}` names the one in production, and "
    "each version's description says why it was promoted. The versions' source runs tell what they were made "
    "of."
)


class MlflowModelRegistry:
    """Versions of registered models; one version per source. `alias` is the alias that production reads."""

    def __init__(self, rest: MlflowRest, alias: str = "prod") -> None:
        self._rest = rest
        self._alias = alias
        self._about = _ABOUT.format(alias=alias)
        self._undescribed: set[str] = set()
        self._sources = VersionSources(rest)

    async def alias_version(self, model_name: str) -> int | None:
        """The version that the alias names; None only when the registry itself says that there is none.

        "None" is MLflow saying that the model does not exist, or showing the model by its name without the
        alias. Everything else that goes wrong raises: an error is never "no champion".
        """
        known = await self.registered(model_name)
        return None if known is None else known.alias_version

    async def registered(self, model_name: str) -> RegisteredModel | None:
        """The model with its alias, whose own endpoint answers a missing one like a malformed request."""
        try:
            answer = await self._rest.get(_MODEL, name=model_name)
        except NeverRetry as error:
            if says_absent(error, model_name):
                return None
            raise
        with well_formed(_MODEL):
            model = answer["registered_model"]
            aliases = {alias["alias"]: int(alias["version"]) for alias in model.get("aliases", [])}
            tags = {tag["key"]: tag.get("value", "") for tag in model.get("tags", [])}
            versions = [_version(version) for version in model.get("latest_versions", [])]
            if model["name"] != model_name:
                raise unavailable(_MODEL, "the answer is about another model")
            if not model.get("description"):
                self._undescribed.add(model_name)
        return RegisteredModel(
            alias_version=aliases.get(self._alias),
            ledger_id=tags.get(LEDGER_TAG) or None,
            newest=max(versions, key=lambda version: version.version, default=None),
        )

    async def mark(self, model_name: str, ledger_id: str) -> None:
        """Tag the registered model with the id of its ledger. MLflow refuses one of two, which tags again."""
        asked = "registered-models/set-tag", {"name": model_name, **_tag(LEDGER_TAG, ledger_id)}
        try:
            await self._rest.post(*asked)
        except TryLater as error:
            if not is_of_its_database(error):
                raise
            await self._rest.post(*asked)

    async def highest_generation(self, model_name: str) -> int:
        """Look at the tags of every version, page by page."""
        query, highest = {"filter": f"name = {quoted(model_name)}"}, 0
        while True:
            answer = await self._rest.get(_SEARCH, **query)
            with well_formed(_SEARCH):
                found = [_version(version) for version in answer.get("model_versions", [])]
            highest = max([highest, *(version.generation for version in found)])
            token = answer.get("next_page_token")
            if not token or not found:
                return highest
            query["page_token"] = str(token)

    async def version(self, model_name: str, version: int) -> RegisteredVersion | None:
        """One version; None only when the registry itself says that it does not exist."""
        if version > _HIGHEST_VERSION:
            return None
        try:
            answer = await self._rest.get("model-versions/get", name=model_name, version=str(version))
        except NeverRetry as error:
            if says_absent(error, model_name):
                return None
            raise
        with well_formed("model-versions/get"):
            return _version(answer["model_version"])

    async def resolved(self, model_name: str, version: RegisteredVersion) -> RegisteredVersion:
        """Follow the source; what a worker of ours registered says all of it, and costs no request."""
        is_plain = LOGGED_MODEL.fullmatch(version.source) and version.mlflow_run_id is not None
        if is_plain and MANIFEST_TAG in version.tags:
            return version
        origin = await self._sources.origin(version.source, version.mlflow_run_id)
        known = await self._known_tags(model_name, version, origin)
        return RegisteredVersion(
            version=version.version,
            source=origin.source,
            mlflow_run_id=version.mlflow_run_id or origin.run_id,
            tags={**known, **version.tags},
            registered_by=version.registered_by,
        )

    async def _known_tags(
        self, model_name: str, version: RegisteredVersion, origin: VersionOrigin
    ) -> dict[str, str]:
        """What another version of the same files says, else the logged model; never a mixture of two."""
        if origin.model is None or MANIFEST_TAG in version.tags:
            return {}
        others = await self._of_source(model_name, origin.source)
        said = [other.tags for other in others if MANIFEST_TAG in other.tags] or [tags_of(origin.model)]
        return {name: said[0][name] for name in SHARED_TAGS if name in said[0]}

    async def look(self, version: RegisteredVersion) -> None:
        """Look at the files; in a thread, since a store of another kind is asked by MLflow's library."""
        # Not above: an inference server looks at nothing in this way, and does without YAML.
        from service.adapters.mlflow.foreign_records import look_at_model  # noqa: PLC0415 - see above

        await asyncio.to_thread(look_at_model, version.source, self._rest.access)

    async def register(
        self,
        model_name: str,
        model: LoggedModel,
        mlflow_run_id: str,
        tags: Mapping[str, str],
        *,
        description: str = "",
        is_new: bool = False,
    ) -> RegisteredVersion:
        """Find the version made from this source, or create it (and the registered model).

        A version that is found keeps the tags that it has. A registered model that nobody has described is
        described, too.
        """
        if not is_new and (found := await self._of_record(model_name, model.uri)) is not None:
            return found
        body = {
            "name": model_name,
            "source": model.uri,
            "run_id": mlflow_run_id,
            "model_id": model.model_id,
            "tags": [_tag(key, value) for key, value in tags.items()],
            "description": description,
        }

        async def create() -> RegisteredVersion:
            answer = await self._create_in(model_name, body)
            with well_formed("model-versions/create"):
                return _version(answer["model_version"])

        made = await create_or_adopt(create, lambda: self._of_record(model_name, model.uri))
        await self._describe_model(model_name)
        return made

    async def tag_version(
        self, model_name: str, version: int, tags: Mapping[str, str], *, description: str | None = None
    ) -> None:
        """Set tags of a version and, if given, its description. Safe to repeat.

        Of two writers that set a new tag at the same time MLflow refuses one, which then sets it again.
        """
        bodies = [
            {"name": model_name, "version": str(version), **_tag(key, value)} for key, value in tags.items()
        ]
        try:
            await self._set_tags(bodies)
        except TryLater as error:
            if not is_of_its_database(error):
                raise
            await self._set_tags(bodies)
        if description is not None:
            body = {"name": model_name, "version": str(version), "description": description}
            await self._rest.patch("model-versions", "update", body)

    async def _set_tags(self, bodies: Sequence[Mapping[str, str]]) -> None:
        await side_by_side(*(self._rest.post("model-versions/set-tag", body) for body in bodies))

    async def set_alias(self, model_name: str, version: int) -> None:
        """Point the alias at a version. Last writer wins: only the ledger's projector calls this."""
        body = {"name": model_name, "alias": self._alias, "version": str(version)}
        await self._rest.post("registered-models/alias", body)

    async def mark_orphans(self, model_name: str, version: RegisteredVersion) -> None:
        """Mark versions of the same source that a request of ours made late. Safe to repeat."""
        for other in await self._of_source(model_name, version.source):
            if other.version != version.version and ORPHAN_TAG not in other.tags:
                await self.tag_version(model_name, other.version, {ORPHAN_TAG: "true"})

    async def _describe_model(self, model_name: str) -> None:
        """Describe a model that was seen without a description; who may not, leaves it as it is."""
        if model_name in self._undescribed:
            self._undescribed.discard(model_name)
            with suppress(NeverRetry, TryLater):
                await self._rest.patch(
                    "registered-models", "update", {"name": model_name, "description": self._about}
                )

    async def _of_record(self, model_name: str, source: str) -> RegisteredVersion | None:
        """The first version made from this source; later ones are marked as orphans."""
        found = await self._of_source(model_name, source)
        if len(found) > 1:
            await self.mark_orphans(model_name, found[0])
        return found[0] if found else None

    async def _of_source(self, model_name: str, source: str) -> list[RegisteredVersion]:
        condition = f"name = {quoted(model_name)} and source_path = {quoted(source)}"
        answer = await self._rest.get(_SEARCH, filter=condition)
        with well_formed(_SEARCH):
            found = [_version(version) for version in answer.get("model_versions", [])]
        return sorted(found, key=lambda version: version.version)

    async def _create_in(self, model_name: str, body: Mapping[str, object]) -> MlflowAnswer:
        """Create the version; a registered model that is not there yet is made on the way."""
        try:
            return await self._rest.post("model-versions/create", body)
        except NeverRetry as error:
            if code_of(error) != ABSENT:
                raise
        await self._create_model(model_name)
        return await self._rest.post("model-versions/create", body)

    async def _create_model(self, model_name: str) -> None:
        try:
            body = {"name": model_name, "description": self._about}
            await self._rest.post("registered-models/create", body)
        except NeverRetry as error:
            if code_of(error) != EXISTS:
                raise


def _version(version: ModelVersion) -> RegisteredVersion:
    return RegisteredVersion(
        version=int(version["version"]),
        source=version.get("source") or "",
        mlflow_run_id=version.get("run_id") or None,
        tags={tag["key"]: tag.get("value", "") for tag in version.get("tags", [])},
        registered_by=version.get("user_id") or None,
    )


def _tag(key: str, value: str) -> dict[str, str]:
    if len(value) > VERSION_TAG:
        raise NeverRetry(
            "mlflow_value_too_long",
            f"version tag {key} has {len(value)} characters, a registry may keep only {VERSION_TAG}",
            tag=key,
            length=len(value),
            allowed=VERSION_TAG,
        )
    return {"key": key, "value": value}
