"""The model card: what a person should know about a model before trusting it, as Markdown."""

from collections.abc import Iterable, Iterator, Mapping

from domain.feature_schema import CategoricalSpec, FeatureSchema, FeatureSpec
from domain.judged import Judged
from domain.metrics import METRICS, Score
from domain.model_types import Estimator
from domain.promotion_checks import Verdict
from domain.values import Value, VersionTriple
from domain.wording import code, escaped


class ModelCard(Value):
    """What a model card tells. `scores` are the candidate's by dataset: train, reference, each optional test.

    `lineage` and `environment` are names with their values: hashes of datasets, versions of libraries.
    `fates` are the master's rows by what became of them, `warnings` sentences.
    `plots` are file names beside the card.
    """

    model_name: str
    run_id: str
    created_at: str
    versions: VersionTriple
    model: Estimator
    features: FeatureSchema
    target: str
    scores: Mapping[str, Score]
    champion_version: int | None = None
    champion_score: Score | None = None
    verdict: Verdict | None = None
    judged: Judged | None = None
    warnings: tuple[str, ...] = ()
    fates: Mapping[str, int] = {}
    lineage: Mapping[str, str] = {}
    environment: Mapping[str, str] = {}
    plots: tuple[str, ...] = ()

    def markdown(self) -> str:
        """The card as a page of Markdown."""
        sections = (
            self._head(),
            self._scores(),
            self._verdict(),
            self._warnings(),
            _table(
                "Rows of the master", ("fate", "rows"), ((name, f"{n}") for name, n in self.fates.items())
            ),
            self._features(),
            _table("Lineage", ("what", "value"), self.lineage.items()),
            _table("Environment", ("package", "version"), self.environment.items()),
            (f"![{name}]({name})" for name in self.plots),
        )
        return _page(sections)

    def head(self) -> str:
        """How the card begins: what the model is, its scores and the verdict."""
        return _page((self._head(), self._scores(), self._verdict()))

    def _head(self) -> Iterator[str]:
        versions, model = self.versions, self.model
        yield f"# {escaped(self.model_name)}: {model.type}"
        yield ""
        yield f"Predicts {code(self.target)}. Made by run `{self.run_id}`,"
        yield f"requested at {self.created_at}, from"
        yield (
            f"split {versions.split_version}, features {versions.feature_version}, "
            f"model {versions.model_version}."
        )
        yield ""
        params = ", ".join(f"{name} = {value}" for name, value in model.params.items()) or "all defaults"
        yield f"Params: {escaped(params)}. Target: {model.target_transform or 'fitted raw'}."

    def _scores(self) -> Iterator[str]:
        rows = [(name, *_score_cells(score)) for name, score in self.scores.items()]
        if self.champion_score is not None:
            name = f"reference, champion (version {self.champion_version})"
            rows.append((name, *_score_cells(self.champion_score)))
        return _table("Scores", ("dataset", "rows", *METRICS), rows)

    def _verdict(self) -> Iterator[str]:
        if self.verdict is None:
            return
        yield "## Verdict"
        yield ""
        by = f", by {self.judged}" if self.judged else ""
        yield f"**{self.verdict.decision.value}**{by}"
        yield ""
        yield from (f"- {escaped(reason)}" for reason in self.verdict.reasons)

    def _warnings(self) -> Iterator[str]:
        if self.warnings:
            yield "## Warnings"
            yield ""
            yield from (f"- {warning}" for warning in self.warnings)

    def _features(self) -> Iterator[str]:
        rows = [(name, _prepared(spec)) for name, spec in self.features.tabular_features.items()]
        return _table("Features, in the model's order", ("column", "preparation"), rows)


def _page(sections: Iterable[Iterator[str]]) -> str:
    return "\n\n".join("\n".join(lines) for section in sections if (lines := list(section))) + "\n"


def _score_cells(score: Score) -> tuple[str, ...]:
    numbers = (score.number(metric) for metric in METRICS)
    return (f"{score.rows}", *("no number" if number is None else f"{number:.6g}" for number in numbers))


def _prepared(spec: FeatureSpec) -> str:
    steps = [f"impute {spec.impute}"] if spec.impute else []
    if isinstance(spec, CategoricalSpec):
        order = f" ({', '.join(map(str, spec.order))})" if spec.order else ""
        return " → ".join([*steps, f"{spec.encoding}{order}"])
    steps += [f"clip to {spec.clip[0]:g} … {spec.clip[1]:g}"] if spec.clip else []
    steps += [f"{spec.scaler} scaler"] if spec.scaler else []
    return " → ".join(steps) or "unchanged"


def _table(title: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    cells = list(rows)
    if not cells:
        return
    yield f"## {title}"
    yield ""
    yield _line(heads)
    yield _line(("---",) * len(heads))
    yield from (_line(tuple(map(escaped, row))) for row in cells)


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
