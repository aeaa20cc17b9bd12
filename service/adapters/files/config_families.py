"""The versioned configuration below `CONFIG_ROOT`, and the defaults that production uses."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import ValidationError

from domain.compatibility import compatibility_faults
from domain.config_questions import contract_question, slow_formats, split_question
from domain.data_contract import DataContract
from domain.errors import NeverRetry, TryLater
from domain.faults import Fault
from domain.feature_schema import FeatureSchema
from domain.model_types import Estimator, ModelDefinition
from domain.points import NO_POINTS, Point, Points
from domain.resolved_config import ConfigDigests, ConfigUse, ResolvedConfig
from domain.split_rules import SPLIT_RULES, SplitRules
from domain.values import AskedVersions, VersionTriple
from service.adapters.files.active_config import FILE_NAME, ActiveConfig, fresh, read_active, with_defaults
from service.adapters.files.atomic import AtomicFiles, sweep
from service.adapters.files.config_documents import (
    CONTRACTS,
    FEATURES,
    MODELS,
    ConfigFile,
    ConfigReader,
    located,
)
from service.adapters.files.errors import read_small
from service.adapters.files.yaml_documents import MAX_BYTES

EstimatorCheck = Callable[[Estimator], Awaitable[Sequence[Fault]]]
_ABANDONED_SECONDS: Final = 5.0  # the file is a few hundred bytes: nobody writes at it for that long
T = TypeVar("T")
_log: Final = logging.getLogger("laurel.config")


class JudgedConfig(NamedTuple):
    """One file, its own faults, and the contract that it names, if that one cannot be used."""

    use: ConfigUse
    faults: Sequence[Fault]
    broken_contract: str | None


class _FilesOfTriple(NamedTuple):
    contract: ConfigFile[DataContract] | None
    split: ConfigFile[SplitRules] | None
    features: ConfigFile[FeatureSchema] | None
    model: ConfigFile[ModelDefinition] | None
    faults: Sequence[Fault]


def _asked(reader: ConfigReader[T], ask: Callable[[T], Fault | None]) -> Iterator[Fault]:
    for file in reader.files():
        if file.value and file.document and (asked := ask(file.value)):
            yield located(asked, file.document)


async def _no_check(_: Estimator) -> Sequence[Fault]:
    return ()


class FileConfigFamilies:
    """The port `ConfigFamilies` on files.

    `estimator_faults` knows which params an estimator takes; its faults name places in the model file, as in
    `model.params.max_iter`. It is asked once for each content of a model file.
    """

    def __init__(
        self,
        root: Path,
        *,
        estimator_faults: EstimatorCheck = _no_check,
        files: AtomicFiles | None = None,
        points: Points = NO_POINTS,
    ) -> None:
        self._active_path = root / FILE_NAME
        self._contracts = ConfigReader(root, "data_contracts", CONTRACTS)
        self._splits = ConfigReader(root, "splits", SPLIT_RULES)
        self._features = ConfigReader(root, "features", FEATURES)
        self._models = ConfigReader(root, "models", MODELS)
        self._estimator_faults = estimator_faults
        self._judged_models: dict[str, Sequence[Fault]] = {}
        self._files = files or AtomicFiles()
        self._points = points

    async def defaults(self) -> VersionTriple:
        """The triple in active_config.yaml. Raises NeverRetry `bad_config` with every fault and its line."""
        return (await asyncio.to_thread(self.active)).training_defaults

    def active(self) -> ActiveConfig:
        """Read active_config.yaml. Raises NeverRetry `bad_config`."""
        read = read_active(read_small(self._active_path, MAX_BYTES))
        if isinstance(read, list):
            said = "; ".join(f"{fault.file}:{fault.line}: {fault.message}" for fault in read)
            raise NeverRetry("bad_config", said, faults=[fault.model_dump(mode="json") for fault in read])
        return read[0]

    async def judged(self) -> AsyncIterator[JudgedConfig]:
        """Judge every file of the four families; its digest and its faults are of the same bytes."""
        for reader in self._readers():
            for file in reader.files():
                contract, named_by = self._named_contract(file)
                faults = [*file.faults, *named_by, *await self._model_faults(file)]
                if contract is not None and contract.draft is not None:
                    faults += _fit(contract.draft, file)
                broken = contract.name if contract is not None and contract.faults else None
                yield JudgedConfig(ConfigUse(reader.family, f"v{file.version}", file.sha256), faults, broken)

    def questions(self, metric: str) -> Iterator[Fault]:
        """What usable contracts and splits should be asked about; `metric` is the gate's."""
        asking: tuple[tuple[ConfigReader[Any], Callable[[Any], Fault | None]], ...] = (
            (self._contracts, partial(contract_question, metric=metric)),
            (self._splits, split_question),
        )
        for reader, ask in asking:
            for file in reader.files():
                if file.value and file.document and (asked := ask(file.value)):
                    yield located(asked, file.document)
        for name in (name for reader in self._readers() for name in reader.passed_over()):
            message = "it is not read: is it a version? Versions are files named v1.yaml, v2.yaml and so on"
            yield Fault(code="file_not_read", field="", message=message, file=name)

    def slow_contracts(self) -> Iterator[tuple[ConfigUse, Sequence[Fault]]]:
        """Contracts with formats that cannot be matched in linear time, each with those formats."""
        for file in self._contracts.files():
            if file.draft and file.document and (slow := slow_formats(file.draft)):
                found = [located(fault, file.document) for fault in slow]
                yield ConfigUse("data_contracts", f"v{file.version}", file.sha256), found

    def _named_contract(
        self, file: ConfigFile[Any]
    ) -> tuple[ConfigFile[DataContract] | None, Sequence[Fault]]:
        """The contract that a split or a features file names, and what is wrong with the naming."""
        if isinstance(file.draft, DataContract | ModelDefinition):
            return None, ()
        contract, faults = self._contract_of(file)
        return contract, [fault for fault in faults if fault.file == file.name]

    def _readers(self) -> tuple[ConfigReader[object], ...]:
        return self._contracts, self._splits, self._features, self._models

    async def resolve(self, asked: AskedVersions) -> ResolvedConfig | Sequence[Fault]:
        """Fill, read and check everything that the files alone can tell: all faults at once.

        Raises NeverRetry `bad_config` when a version is left to an unusable active_config.yaml.
        """
        complete = None not in asked.model_dump().values()
        triple = VersionTriple(**asked.model_dump()) if complete else asked.filled_from(await self.defaults())
        contract, split, features, model, found = await asyncio.to_thread(self._files_of, triple)
        faults = [*found, *(await self._model_faults(model) if model is not None else ())]
        if faults or contract is None or split is None or features is None or model is None:
            return faults
        return _resolved(triple, contract, split, features, model)

    def _files_of(self, triple: VersionTriple) -> _FilesOfTriple:
        """Read the four files; for a thread, as a large one takes a second."""
        split, split_faults = _read(self._splits, triple.split_version, "split_version")
        features, feature_faults = _read(self._features, triple.feature_version, "feature_version")
        model, model_faults = _read(self._models, triple.model_version, "model_version")
        contract, contract_faults = self._contract_of(split, features)
        faults = [*split_faults, *feature_faults, *model_faults, *contract_faults]
        if contract is not None and contract.draft is not None:
            faults += _fit(contract.draft, *(file for file in (split, features) if file is not None))
        return _FilesOfTriple(contract, split, features, model, faults)

    def _contract_of(
        self, *naming: ConfigFile[Any] | None
    ) -> tuple[ConfigFile[DataContract] | None, Sequence[Fault]]:
        """Read the contract that the split names, or, if that can not be read, the one of the features."""
        for file in naming:
            if file is not None and file.draft is not None:
                version = file.draft.data_contract
                found, faults = _read(self._contracts, version, "data_contract")
                return found, [_named_by(fault, file) for fault in faults]
        return None, ()

    async def _model_faults(self, model: ConfigFile[object]) -> Sequence[Fault]:
        estimator = _estimator_in(model)
        if estimator is None or model.document is None:
            return ()
        if model.sha256 not in self._judged_models:
            found = await self._estimator_faults(estimator)
            self._judged_models[model.sha256] = [located(fault, model.document) for fault in found]
        return self._judged_models[model.sha256]

    async def holds(self, triple: VersionTriple) -> bool:
        """Look for the three files; whether they can be used is another question."""
        readers = (
            (self._splits, triple.split_version),
            (self._features, triple.feature_version),
            (self._models, triple.model_version),
        )
        return await asyncio.to_thread(
            lambda: all(reader.read(version) is not None for reader, version in readers)
        )

    async def write_defaults(self, triple: VersionTriple) -> None:
        """Replace the three defaults in one atomic replace; every other byte stays. Safe to repeat.

        A file that cannot be read is rewritten, and what stood there is kept beside it. What a killed writer
        left is removed; a slow one that loses its draft so fails, and may repeat. Raises TryLater `disk_full`
        and `file_error`.
        """
        path = self._active_path.resolve()  # through a symbolic link, which is to stay one
        sweep(path.parent, older_than_seconds=_ABANDONED_SECONDS)
        data = read_small(path, MAX_BYTES)
        new = await asyncio.to_thread(self._with_defaults, data, triple)
        if new == data:
            return
        with self._files.draft(path) as draft:
            draft.write(new)
            draft.copy_mode(path)
            await self._points.at(Point.PERSIST_AFTER_TEMP)
            await asyncio.to_thread(draft.replace)
        await self._points.at(Point.PERSIST_AFTER_REPLACE)

    def _with_defaults(self, data: bytes | None, triple: VersionTriple) -> bytes:
        read = read_active(data)
        if not isinstance(read, list):
            return with_defaults(data or b"", read[1], triple)
        if data:
            kept = self._active_path.with_name(f"{FILE_NAME}.unreadable")
            self._files.replace(kept, data)
        _log.warning("active_config.yaml is rewritten: %s", read[0].message)
        return fresh(triple, self._contract_version(triple))

    def _contract_version(self, triple: VersionTriple) -> int:
        split = self._splits.read(triple.split_version)
        if split is None or split.value is None:
            message = (
                f"active_config.yaml cannot be rewritten: splits/v{triple.split_version}.yaml is unusable"
            )
            raise TryLater("bad_config", message, waiting_on="config")
        return split.value.data_contract


def _read(reader: ConfigReader[T], version: int, field: str) -> tuple[ConfigFile[T] | None, Sequence[Fault]]:
    """Read one version: the file (None when there is none), and its faults."""
    file = reader.read(version)
    if file is not None:
        return file, file.faults
    allowed = ", ".join(map(str, reader.valid_versions())) or "none: no version can be used"
    message = f"{reader.family}/v{version}.yaml does not exist"
    return None, [Fault(code="unknown_version", field=field, message=message, allowed=allowed)]


def _estimator_in(file: ConfigFile[object]) -> Estimator | None:
    """Type and params of a model file: they can be judged whatever else is wrong in it."""
    if isinstance(file.draft, ModelDefinition):
        return file.draft.model
    if file.document is None or not file.name.startswith("models/"):
        return None
    model = file.document.values.get("model")
    known = model.items() if isinstance(model, dict) else ()
    try:
        return Estimator.model_validate({name: value for name, value in known if name in {"type", "params"}})
    except ValidationError:
        return None


def _named_by(fault: Fault, file: ConfigFile[object]) -> Fault:
    """A contract that does not exist is a fault of the file that names it; other faults are its own."""
    if fault.code != "unknown_version" or file.document is None:
        return fault
    return located(fault, file.document)


def _fit(contract: DataContract, *files: ConfigFile[Any]) -> Iterator[Fault]:
    """Hold a split file, a features file, or both against their contract."""
    documents = {file.name: file.document for file in files}
    values = {file.name.partition("/")[0]: file.draft for file in files}
    for fault in compatibility_faults(contract, values.get("splits"), values.get("features")):
        document = documents.get(fault.file or "")
        yield fault if document is None else located(fault, document)


def _resolved(
    triple: VersionTriple,
    contract: ConfigFile[Any],
    split: ConfigFile[Any],
    features: ConfigFile[Any],
    model: ConfigFile[Any],
) -> ResolvedConfig:
    return ResolvedConfig(
        triple=triple,
        contract=contract.value,
        split=split.value,
        features=features.value,
        model=model.value,
        digests=ConfigDigests(
            data_contracts=contract.sha256,
            splits=split.sha256,
            features=features.sha256,
            models=model.sha256,
        ),
    )
