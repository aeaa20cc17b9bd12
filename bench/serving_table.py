"""The serving figures for a reader: the servers side by side, a request's time, and reloads under load."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from statistics import median

from bench.figures import percentile
from bench.load.closed_loop import Stint
from bench.load.judge import Verdict
from bench.load.soak import Soak
from bench.serving import FASTAPI, LAUREL, MLFLOW, Case, ServingFigures, Spent

_LEAST_TIMES, _MOST_SHARE, _MOST_SLOWER, _MOST_OF_LEAST = 3.0, 1 / 3, 1.5, 2.0

Row = Sequence[str]


def serving_rows(figures: ServingFigures) -> Iterator[Row]:
    """A head, and one row for each model, size and number of connections."""
    yield [
        "`POST /predict`, one process each",
        "Laurel: p50 (p99), requests/s",
        "FastAPI with the pipeline",
        "`mlflow models serve`",
        "throughput, times",
        "p50, share",
        "target",
    ]
    for case, stints in figures.stints.items():
        yield _case(case, stints[LAUREL], stints[FASTAPI], stints[MLFLOW])


def spent_rows(figures: ServingFigures) -> Iterator[Row]:
    """Where the time of a request goes, with one connection."""
    yield ["Where a request's time goes, ms", *(_size(model, rows) for model, rows in figures.spent)]
    for name, seconds in _STEPS:
        yield [name, *(f"{seconds(spent) * 1e3:.2f}" for spent in figures.spent.values())]
    yield ["**p50 at the client ÷ what nobody can do without**", *map(_times_least, figures.spent.items())]


_STEPS: Sequence[tuple[str, Callable[[Spent], float]]] = (
    ("reading the JSON within its bounds", lambda spent: spent.stages.reading),
    ("checking each value", lambda spent: spent.stages.checking),
    ("encoding the rows", lambda spent: spent.stages.preparing),
    ("the estimator", lambda spent: spent.stages.estimating),
    ("drift, counters, the answer's text", lambda spent: spent.stages.whole - sum(spent.stages[:4])),
    ("HTTP, the kernel and the client itself", lambda spent: spent.client - spent.stages.whole),
    ("**p50 at the client**", lambda spent: spent.client),
    ("what nobody can do without: parsing the JSON …", lambda spent: spent.stages.parsing),
    ("… and the estimator's own `predict` of the encoded rows", lambda spent: spent.stages.own),
)


def _times_least(measured: tuple[tuple[str, int], Spent]) -> str:
    (_, rows), spent = measured
    times = spent.client / (spent.stages.parsing + spent.stages.own)
    target = f", ≤ {_MOST_OF_LEAST:g}: {_met(times <= _MOST_OF_LEAST)}" if rows > 1 else ""
    return f"**{times:.2f}**{target}"


def _size(model: str, rows: int) -> str:
    return f"{model}, {'1 row' if rows == 1 else f'{rows:,} rows'}"


def soak_rows(soak: Soak) -> Iterator[Row]:
    """What reloads under load lost, and what they cost."""
    moves, plan = [move for round_ in soak.moves for move in round_], soak.plan
    yield [f"{len(moves)} reloads, one every {plan.every:g} s, at {plan.rate:g} requests/s", "", "target"]
    if soak.verdict is not None:
        yield from _answers(soak.verdict)
    yield ["promotions that a replica did not follow", f"{len(soak.refused)}", f"0: {_met(not soak.refused)}"]
    yield ["reloads by result", ", ".join(f"{n} {result}" for result, n in soak.results.items() if n), ""]
    yield from _times(soak)
    reloads = [move.ended - move.alias_moved for move in moves]
    yield ["alias moved → both replicas serve it, p50 (p99)", _spread(reloads), ""]
    for number, megabytes in enumerate(zip(*soak.megabytes, strict=True), 1):
        name = f"memory of replica {number} before, and after each {plan.reloads // plan.rounds} reloads"
        yield [name, _megabytes(megabytes), "flat"]


def _answers(verdict: Verdict) -> Iterator[Row]:
    lost, wrong = sum(verdict.failed.values()), len(verdict.wrong) + len(verdict.backwards)
    yield ["requests to two replicas", f"{verdict.calls:,}", ""]
    yield ["failed", f"{lost}", f"0: {_met(not lost)}"]
    name = "another model's number, or an older generation behind a newer one"
    yield [name, f"{wrong}", f"0: {_met(not wrong)}"]


def _times(soak: Soak) -> Iterator[Row]:
    without, beside, during = (
        [call.seconds for call in calls] for calls in (soak.without, soak.beside, soak.during)
    )
    times = percentile(beside, 99) / percentile(without, 99)
    yield ["p50 (p99) without reloads", _spread(without), ""]
    yield ["p50 (p99) with reloads", _spread(beside), ""]
    target = f"≤ {_MOST_SLOWER:g} times: {_met(times <= _MOST_SLOWER)}"
    yield ["**p99 with ÷ without**", f"**{times:.2f}**", target]
    slowest = f"{_spread(during)}, {max(during) * 1e3:.0f} ms"
    yield ["p50 (p99) while a reload is in hand, and the slowest", slowest, ""]
    late = " and ".join(_spread([call.late for call in calls]) for calls in (soak.without, soak.beside))
    yield ["the load's own lateness in that, without and with", late, ""]


def _case(case: Case, ours: Sequence[Stint], fastapi: Sequence[Stint], mlflow: Sequence[Stint]) -> Row:
    rivals = (fastapi, mlflow)
    times = [median(a.rate / b.rate for a, b in zip(ours, theirs, strict=True)) for theirs in rivals]
    shares = [median(_each(ours)) / median(_each(theirs)) for theirs in rivals]
    is_met = min(times) >= _LEAST_TIMES and max(shares) <= _MOST_SHARE
    connections = "1 connection" if case.connections == 1 else f"{case.connections} connections"
    return [
        f"{_size(case.model, case.rows)}, {connections}",
        *map(_stints, (ours, *rivals)),
        " and ".join(f"{one:.1f}" for one in times),
        " and ".join(f"{share:.2f}" for share in shares),
        f"≥ 3, ≤ ⅓: {_met(is_met)}" if case.rows == 1 else "",
    ]


def _stints(stints: Sequence[Stint]) -> str:
    rate = sum(len(stint.each) for stint in stints) / sum(stint.whole for stint in stints)
    return f"{_spread(_each(stints))}, {rate:,.0f}/s"


def _spread(seconds: Sequence[float]) -> str:
    return f"{median(seconds) * 1e3:.2f} ms ({percentile(seconds, 99) * 1e3:.2f} ms)"


def _each(stints: Sequence[Stint]) -> list[float]:
    return [*chain.from_iterable(stint.each for stint in stints)]


def _megabytes(held: Sequence[float]) -> str:
    """The first reload starts the child that builds models: growth counts from the first round on."""
    return f"{', '.join(f'{one:.0f}' for one in held)} MB; {held[-1] - held[1]:+.1f} MB since the first"


def _met(met: bool) -> str:  # noqa: FBT001 - reads as it says
    return "met" if met else "**not met**"
