"""The serving figures for a reader: both servers side by side, and reloads under load."""

from collections.abc import Iterator, Sequence
from itertools import chain
from statistics import median

from tests.bench.figures import percentile
from tests.bench.serving import LAUREL, MLFLOW, Case, ServingFigures
from tests.load.closed_loop import Stint
from tests.load.soak import Soak

_LEAST_TIMES, _MOST_SHARE, _MOST_SLOWER = 3.0, 1 / 3, 1.5

Row = Sequence[str]


def serving_rows(figures: ServingFigures) -> Iterator[Row]:
    """A head, and one row for each model, size and number of connections."""
    yield [
        "`POST /predict`, one process each",
        "Laurel: p50 (p99), requests/s",
        "`mlflow models serve`",
        "throughput, times",
        "p50, share",
        "target",
    ]
    for case, stints in figures.stints.items():
        yield _case(case, stints[LAUREL], stints[MLFLOW])


def share_notes(figures: ServingFigures) -> Iterator[str]:
    """Where the time of a request for one row goes, with one connection."""
    for model, share in figures.shares.items():
        yield (
            f"One row of {model}, {share.client * 1e3:.2f} ms at the client: the model "
            f"{share.model * 1e3:.2f} ms; reading, checking, counting and writing "
            f"{(share.server - share.model) * 1e3:.2f} ms; HTTP, the kernel and the client itself "
            f"{(share.client - share.server) * 1e3:.2f} ms."
        )


def soak_rows(soak: Soak) -> Iterator[Row]:
    """What reloads under load cost."""
    verdict, plan = soak.verdict, soak.plan
    if verdict is None:
        return
    moves = [move for round_ in soak.moves for move in round_]
    yield [f"{len(moves)} reloads, one every {plan.every:g} s, at {plan.rate:g} requests/s", "", "target"]
    yield ["requests to two replicas", f"{verdict.calls:,}", ""]
    lost, wrong = sum(verdict.failed.values()), len(verdict.wrong) + len(verdict.backwards)
    yield ["failed", f"{lost}", f"0: {_met(not lost)}"]
    yield [
        "another model's number, or an older generation behind a newer",
        f"{wrong}",
        f"0: {_met(not wrong)}",
    ]
    yield ["promotions that a replica did not follow", f"{len(soak.refused)}", f"0: {_met(not soak.refused)}"]
    yield ["p50, p99 without reloads", _spread(soak.without), ""]
    times = percentile(soak.beside, 99) / percentile(soak.without, 99)
    yield ["p50, p99 with reloads", _spread(soak.beside), ""]
    target = f"≤ {_MOST_SLOWER:g} times: {_met(times <= _MOST_SLOWER)}"
    yield ["**p99 with ÷ without**", f"**{times:.2f}**", target]
    yield ["p50, p99 while a reload is in hand", _spread(soak.during), ""]
    yield [
        "alias moved → both replicas serve it, p50, p99",
        _spread([m.ended - m.alias_moved for m in moves]),
        "",
    ]
    for replica, weights in enumerate(zip(*soak.megabytes, strict=True), 1):
        yield [
            f"memory of replica {replica} before, after each {plan.reloads // plan.rounds} reloads",
            _weights(weights),
            "flat",
        ]
    yield ["reloads by result", ", ".join(f"{n} {result}" for result, n in soak.results.items() if n), ""]


def _case(case: Case, ours: Sequence[Stint], theirs: Sequence[Stint]) -> Row:
    times = median(a.rate / b.rate for a, b in zip(ours, theirs, strict=True))
    share = median(_each(ours)) / median(_each(theirs))
    rows = "1 row" if case.rows == 1 else f"{case.rows:,} rows"
    target = f"≥ 3, ≤ ⅓: {_met(times >= _LEAST_TIMES and share <= _MOST_SHARE)}" if case.rows == 1 else ""
    connections = "1 connection" if case.connections == 1 else f"{case.connections} connections"
    name = f"{case.model}, {rows}, {connections}"
    return [name, _stints(ours), _stints(theirs), f"{times:.1f}", f"{share:.2f}", target]


def _stints(stints: Sequence[Stint]) -> str:
    rate = sum(len(stint.each) for stint in stints) / sum(stint.whole for stint in stints)
    return f"{_spread(_each(stints))}, {rate:,.0f}/s"


def _spread(seconds: Sequence[float]) -> str:
    return f"{median(seconds) * 1e3:.2f} ms ({percentile(seconds, 99) * 1e3:.2f} ms)"


def _each(stints: Sequence[Stint]) -> list[float]:
    return [*chain.from_iterable(stint.each for stint in stints)]


def _weights(megabytes: Sequence[float]) -> str:
    grown = megabytes[-1] - megabytes[1]
    return f"{', '.join(f'{weight:.0f}' for weight in megabytes)} MB; {grown:+.1f} MB since the first round"


def _met(met: bool) -> str:  # noqa: FBT001 - reads as it says
    return "met" if met else "**not met**"
