"""Two models side by side: what they were made from, and how they did on the same bytes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from domain.history import Reign
from domain.lifecycle import Step
from domain.metrics import Score
from domain.promotion_checks import Champion
from domain.run import Run
from domain.run_record import RunRecord
from domain.story import DataForm, data_of
from domain.values import VersionTriple

_ABSENT: Final = object()
_NOT_COMPARED: Final = ("digests", "triple")
_NO_RUN: Final = "the run store knows no run of {}"


class _ComparisonPart(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, protected_namespaces=())


class SideForm(_ComparisonPart):
    """One of the two models."""

    name: str = Field(description="As it was asked for.")
    generation: int | None = Field(description="Its generation; null where it became none.")
    version: int | None = Field(description="Its registered version.")
    run_id: str | None = Field(description="Laurel's id of its run; null where the run store knows none.")
    triple: VersionTriple | None = Field(description="Its resolved versions.")


class DifferenceForm(_ComparisonPart):
    """One place in which two configurations differ; null where a side does not have it."""

    place: str = Field(description="The place, dotted: `model.params.max_depth`.")
    a: Any = Field(description="What the first says there.")
    b: Any = Field(description="What the second says there.")


class DataPairForm(_ComparisonPart):
    """One part of the data on both sides; null where a side has none."""

    part: str = Field(description="The part: master, train, reference, or a test's name.")
    same: bool = Field(description="True when the bytes are the same.")
    a: DataForm | None = Field(description="The first one's.")
    b: DataForm | None = Field(description="The second one's.")


class MetricPairForm(_ComparisonPart):
    """Both models' figures on the same bytes."""

    dataset: str = Field(description="What the bytes are called.")
    sha256: str = Field(description="sha256 of the bytes on which both were scored.")
    metric: str = Field(description="The metric.")
    a: float = Field(description="The first one's figure.")
    b: float = Field(description="The second one's figure.")


class OverlapForm(_ComparisonPart):
    """How many rows trained both models, by their keys; null where nobody could count."""

    rows: int | None = Field(description="Rows that trained both.")
    a: int | None = Field(description="Rows that trained the first.")
    b: int | None = Field(description="Rows that trained the second.")
    why: str = Field(description="How it is known, or why it is not.")


class ModelComparisonForm(_ComparisonPart):
    """Two models side by side."""

    model_name: str = Field(description="The registered model.")
    a: SideForm = Field(description="The first model.")
    b: SideForm = Field(description="The second model.")
    configuration: tuple[DifferenceForm, ...] | None = Field(
        description="Where their configurations differ; null where one is not known."
    )
    data: tuple[DataPairForm, ...] = Field(description="Each part of the data, side by side.")
    metrics: tuple[MetricPairForm, ...] = Field(
        description="Figures on the same bytes: of their own runs, and where one was judged as champion."
    )
    training_overlap: OverlapForm = Field(description="How many rows trained both.")
    notes: tuple[str, ...] = Field(description="What else a person should know.")


class Side(NamedTuple):
    """One of the two models, as the stores hold it."""

    name: str
    run: Run | None
    reign: Reign | None

    @property
    def record(self) -> RunRecord:
        """What its run's steps left."""
        return self.run.record if self.run else RunRecord({})

    @property
    def generation(self) -> int | None:
        """Its generation."""
        return self.reign.entry.generation if self.reign else None

    @property
    def version(self) -> int | None:
        """Its registered version."""
        if self.reign is not None:
            return self.reign.entry.version
        return self.record.decided.version if self.record.decided else None

    def form(self) -> SideForm:
        """Name it."""
        entry = self.reign.entry if self.reign else None
        return SideForm(
            name=self.name,
            generation=self.generation,
            version=self.version,
            run_id=self.run.run_id if self.run else None,
            triple=self.record.triple or (entry.triple if entry else None),
        )


def compared_models(model_name: str, a: Side, b: Side, overlap: OverlapForm) -> ModelComparisonForm:
    """Put two models side by side."""
    return ModelComparisonForm(
        model_name=model_name,
        a=a.form(),
        b=b.form(),
        configuration=_differences(a.record, b.record),
        data=tuple(data_pairs(a.record, b.record)),
        metrics=tuple(metric_pairs(a, b)),
        training_overlap=overlap,
        notes=tuple(_notes(a, b)),
    )


def _notes(*sides: Side) -> Iterator[str]:
    for side in sides:
        if side.run is None:
            yield _NO_RUN.format(side.name)
        elif side.record.pruned is not None:
            yield f"{side.name} was {side.record.pruned}"


def known_overlap(a: RunRecord, b: RunRecord) -> OverlapForm:
    """What the recorded digests alone tell of it."""
    one, other = (record.split.train if record.split else None for record in (a, b))
    rows = {"a": one and one.rows, "b": other and other.rows}
    if one is None or other is None:
        return OverlapForm(rows=None, **rows, why="one of them has no training part on record")
    if one.sha256 == other.sha256:
        return OverlapForm(rows=one.rows, **rows, why="the training parts are the same bytes")
    return OverlapForm(rows=None, **rows, why="not counted: the training parts are different bytes")


def data_pairs(a: RunRecord, b: RunRecord) -> Iterator[DataPairForm]:
    """Each part that either has, by digest and rows."""
    one, other = data_of(a), data_of(b)
    for part in dict.fromkeys((*one, *other)):
        first, second = one.get(part), other.get(part)
        same = first is not None and second is not None and first.sha256 == second.sha256
        yield DataPairForm(part=part, same=same, a=first, b=second)


def metric_pairs(a: Side, b: Side) -> Iterator[MetricPairForm]:
    """Every figure that both have on the same bytes."""
    others = {score.dataset_digest: score for _, score in _scores(b, a)}
    told: set[str] = set()
    for dataset, score in _scores(a, b):
        digest, other = score.dataset_digest, others.get(score.dataset_digest)
        if other is None or digest in told:
            continue
        told.add(digest)
        for metric, figure in score.metrics.items():
            if (against := other.number(metric)) is not None:
                yield MetricPairForm(dataset=dataset, sha256=digest, metric=metric, a=figure, b=against)


def _scores(side: Side, other: Side) -> Iterator[tuple[str, Score]]:
    """All that a model was scored on: by its own run, and as the champion of the other's."""
    evaluated = side.record.evaluated
    if evaluated is not None:
        yield from evaluated.candidate.items()
    if side.reign is not None and side.reign.entry.candidate_score is not None:
        yield "reference", side.reign.entry.candidate_score
    judged = other.record.champion
    if isinstance(judged, Champion) and judged.generation == side.generation:
        yield f"reference of {other.name}", judged.score


def _differences(a: RunRecord, b: RunRecord) -> tuple[DifferenceForm, ...] | None:
    one, other = (record.outputs.get(Step.RESOLVE) for record in (a, b))
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return None
    return tuple(differences(_comparable(one), _comparable(other)))


def _comparable(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """A frozen configuration; its columns, kept as pairs in their order, as a map and an order."""
    kept = {name: part for name, part in resolved.items() if name not in _NOT_COMPARED}
    features = kept.get("features")
    if isinstance(features, Mapping) and isinstance(pairs := features.get("tabular_features"), Sequence):
        columns = {str(name): spec for name, spec in pairs}
        kept["features"] = {**features, "tabular_features": columns, "order": list(columns)}
    return kept


def differences(a: object, b: object, place: str = "") -> Iterator[DifferenceForm]:
    """Every place in which two documents differ, in the order of their names."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for name in _names(a, b):
            within = f"{place}.{name}" if place else name
            yield from differences(a.get(name, _ABSENT), b.get(name, _ABSENT), within)
    elif a != b:
        yield DifferenceForm(place=place, a=_shown(a), b=_shown(b))


def _names(*documents: Mapping[str, object]) -> Iterable[str]:
    return sorted({name for document in documents for name in document})


def _shown(value: object) -> object:
    return None if value is _ABSENT else value
