"""The alert rules of `deploy/prometheus`, and what each expression asks of `/metrics`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import promql_parser
import yaml
from prometheus_client.parser import text_string_to_metric_families

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "deploy" / "prometheus"

READERS: Final = ("worker", "reload-listener", "notifier")

Series = tuple[str, Mapping[str, str]]


@dataclass(frozen=True)
class Rule:
    """One alert."""

    name: str
    expression: str
    annotations: Mapping[str, str]
    labels: Mapping[str, str]

    @property
    def selectors(self) -> list[Any]:
        """What it asks for: name and matchers of each."""
        return [part for part in _parts(promql_parser.parse(self.expression)) if _is_selector(part)]

    @property
    def kept_labels(self) -> set[str]:
        """The labels by which it tells one series from another."""
        parts = _parts(promql_parser.parse(self.expression))
        sums = (part.modifier for part in parts if isinstance(part, promql_parser.AggregateExpr))
        return {name for modifier in sums if modifier for name in modifier.labels}


def rules() -> list[Rule]:
    """All of them."""
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [
        Rule(rule["alert"], rule["expr"], rule["annotations"], rule["labels"])
        for group in groups
        for rule in group["rules"]
    ]


def series_in(text: str) -> list[Series]:
    """Every sample of a page of metrics."""
    families = text_string_to_metric_families(text)
    return [(sample.name, sample.labels) for family in families for sample in family.samples]


def unheard(text: str) -> list[str]:
    """What the rules ask of the role whose page this is, and do not find there; each in a sentence."""
    series = series_in(text)
    (role,) = {labels["role"] for _, labels in series}
    assert all(labels["model"] for _, labels in series)
    asked = ((rule, one) for rule in rules() for one in rule.selectors if role in roles_of(one))
    return [f"{rule.name}: {role} has no {one}" for rule, one in asked if not _found(rule, one, series)]


def roles_of(selector: Any) -> Sequence[str]:
    """The roles that are asked; without a word on it those that read Kafka."""
    named = [one.value for one in selector.matchers.matchers if one.name == "role"]
    return named or READERS


def _found(rule: Rule, selector: Any, series: list[Series]) -> bool:
    found = [labels for name, labels in series if name == selector.name and _matches(selector, labels)]
    return bool(found) and all(rule.kept_labels <= labels.keys() for labels in found)


def _matches(selector: Any, labels: Mapping[str, str]) -> bool:
    return all(_fits(matcher, labels.get(matcher.name)) for matcher in selector.matchers.matchers)


def _fits(matcher: Any, value: str | None) -> bool:
    """A label that is not there fits nothing: the expression would ask for what no role tells."""
    if value is None:
        return False
    kinds = promql_parser.MatchOp
    as_text = matcher.op in (kinds.Equal, kinds.NotEqual)
    pattern = re.escape(matcher.value) if as_text else matcher.value
    wants_it = matcher.op in (kinds.Equal, kinds.Re)
    return (re.fullmatch(pattern, value) is not None) == wants_it


def _is_selector(part: Any) -> bool:
    return isinstance(part, promql_parser.VectorSelector)


def _parts(expression: Any) -> Iterator[Any]:
    """The expression and all that it is made of."""
    yield expression
    inner = [getattr(expression, name, None) for name in ("lhs", "rhs", "expr", "vector_selector")]
    inner += [*getattr(expression, "args", ())]
    for part in inner:
        if part is not None:
            yield from _parts(part)
