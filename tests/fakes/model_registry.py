"""The port `ModelRegistry` in memory."""

from collections.abc import Mapping

from domain.errors import ModelUnusable, NeverRetry
from domain.models import LoggedModel, RegisteredModel, RegisteredVersion
from domain.package_tags import MANIFEST_TAG, SHARED_TAGS


class FakeModelRegistry:
    """Versions count from 1 per model; an alias names a version that is there."""

    def __init__(self) -> None:
        self.versions: dict[str, list[RegisteredVersion]] = {}
        self.aliases: dict[str, int] = {}
        self.descriptions: dict[tuple[str, int], str] = {}
        self.empty: set[str] = set()  # sources without files
        self.ledger_ids: dict[str, str] = {}

    async def alias_version(self, model_name: str) -> int | None:
        return self.aliases.get(model_name)

    async def registered(self, model_name: str) -> RegisteredModel | None:
        if model_name not in self.versions:
            return None
        return RegisteredModel(
            alias_version=self.aliases.get(model_name),
            ledger_id=self.ledger_ids.get(model_name),
            newest=next(reversed(self.versions[model_name]), None),
        )

    async def mark(self, model_name: str, ledger_id: str) -> None:
        self.ledger_ids[model_name] = ledger_id

    async def highest_generation(self, model_name: str) -> int:
        return max([0, *(version.generation for version in self.versions.get(model_name, []))])

    async def version(self, model_name: str, version: int) -> RegisteredVersion | None:
        found = self.versions.get(model_name, [])
        return next((known for known in found if known.version == version), None)

    async def resolved(self, model_name: str, version: RegisteredVersion) -> RegisteredVersion:
        """Every source here is a logged model; another version of it may say more."""
        versions = self.versions.get(model_name, [])
        said = [one.tags for one in versions if one.source == version.source and MANIFEST_TAG in one.tags]
        known = {name: said[0][name] for name in SHARED_TAGS if name in said[0]} if said else {}
        return version.model_copy(update={"tags": {**known, **version.tags}})

    async def look(self, version: RegisteredVersion) -> None:
        if version.source in self.empty:
            raise ModelUnusable("model_missing", f"{version.source} has no files", source=version.source)

    async def register(
        self,
        model_name: str,
        model: LoggedModel,
        mlflow_run_id: str,
        tags: Mapping[str, str],
        *,
        description: str = "",
        is_new: bool = False,  # noqa: ARG002 - the port's
    ) -> RegisteredVersion:
        found = self.versions.setdefault(model_name, [])
        for known in found:
            if known.source == model.uri:
                return known
        made = RegisteredVersion(
            version=len(found) + 1, source=model.uri, mlflow_run_id=mlflow_run_id, tags=dict(tags)
        )
        found.append(made)
        self.descriptions[model_name, made.version] = description
        return made

    async def tag_version(
        self, model_name: str, version: int, tags: Mapping[str, str], *, description: str | None = None
    ) -> None:
        known = await self._known(model_name, version)
        if description is not None:
            self.descriptions[model_name, version] = description
        self.versions[model_name][version - 1] = known.model_copy(update={"tags": {**known.tags, **tags}})

    async def set_alias(self, model_name: str, version: int) -> None:
        await self._known(model_name, version)
        self.aliases[model_name] = version

    async def mark_orphans(self, model_name: str, version: RegisteredVersion) -> None:
        """Nothing is ever made twice here."""

    async def _known(self, model_name: str, version: int) -> RegisteredVersion:
        known = await self.version(model_name, version)
        if known is None:
            raise NeverRetry(
                "mlflow_refused",
                f"no version {version} of {model_name}",
                code="RESOURCE_DOES_NOT_EXIST",
                doing="registered-models/alias",
            )
        return known
