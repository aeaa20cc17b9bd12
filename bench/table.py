"""The figures for a reader: one Markdown table of promotions, one of the rest, and where the time goes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.commands import HELP
from bench.figures import Figures, Size, calls, machine, middle, percentile
from bench.promotions import Races
from bench.serving import ServingFigures
from bench.serving_table import serving_rows, soak_rows, spent_rows
from bench.timeline import phases, timeline

COMMAND = "make bench"

Row = Sequence[str]


def markdown(figures: Figures) -> str:
    """Both tables, with the machine and the load that they were made under."""
    before, after = figures.loads[0], figures.loads[-1]
    lines = [
        *(_promotions(figures) if figures.races else ()),
        *(_serving(figures.serving) if figures.serving else ()),
        *((*_whole_table(soak_rows(figures.soak)), "") if figures.soak else ()),
        f"`{COMMAND}` on {machine()}; load average {before:.1f} before and {after:.1f} after.",
    ]
    return "\n".join(lines)


def _promotions(figures: Figures) -> Iterator[str]:
    sizes = [figures.sizes[name] for name in figures.races]
    head = ["`training.requested` → `model.promoted`", *(f"{size.rows:,} rows" for size in sizes)]
    yield from (*_table(head, _races(figures)), "")
    yield from (*_table(["where the time goes, median of each phase", *head[1:]], _phases(figures)), "")
    yield from (*_table(["", "measured", "target"], _others(figures)), "")


def _phases(figures: Figures) -> Iterator[Row]:
    columns = [list(phases(races.promotions)) for races in figures.races.values()]
    for row in zip(*columns, strict=True):
        yield [row[0][0], *(f"{milliseconds:,.0f} ms" for _, milliseconds in row)]


def _serving(serving: ServingFigures) -> Iterator[str]:
    yield from (*_whole_table(serving_rows(serving)), "")
    yield from (*_whole_table(spent_rows(serving)), "")


def _whole_table(rows: Iterator[Row]) -> Iterator[str]:
    """The first row is the head."""
    return _table(next(rows), rows)


def timelines(figures: Figures) -> str:
    """Where the time of the median promotion goes, in milliseconds."""
    return "\n\n".join(
        f"{figures.sizes[name].rows:,} rows, ms after the event was sent:\n\n{timeline(*races.typical())}"
        for name, races in figures.races.items()
    )


def write_into(page: Path, text: str, name: str = "bench") -> None:
    """Put the tables between the two marks of a page."""
    first, last = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    before, start, rest = page.read_text().partition(first)
    _, end, after = rest.partition(last)
    if not start or not end:
        raise SystemExit(f"{page} has no place for the figures: {first} … {last}")
    page.write_text(f"{before}{start}\n{text}\n{end}{after}")


def _table(head: Row, rows: Iterator[Row]) -> Iterator[str]:
    yield _line(head)
    yield _line(["---", *["---:"] * (len(head) - 1)])
    yield from map(_line, rows)


def _line(cells: Row) -> str:
    return f"| {' | '.join(cells)} |"


def _races(figures: Figures) -> Iterator[Row]:
    both = [(figures.sizes[name], races) for name, races in figures.races.items()]

    def row(name: str, cell: object) -> Row:
        return [name, *(cell(size, races) for size, races in both)]  # type: ignore[operator]

    yield row("Laurel, p50 (p95)", lambda _, races: _seconds(races.laurel))
    yield row("a bare script in one warm process, p50 (p95)", lambda _, races: _seconds(races.bare))
    yield row("**Laurel ÷ bare script**, median of pairs", lambda _, races: f"**{races.ratio:.2f}**")
    yield row("the bare script, a new process each time", _cold)
    yield row("fit alone, and what comes after it", _fit)
    yield row("requests to MLflow", lambda _, races: f"{calls(races)}")
    yield row("target: p50, ratio, requests", _verdict)


def _seconds(values: Sequence[float]) -> str:
    return f"{middle(values):.2f} s ({percentile(values, 95):.2f} s)"


def _cold(_: Size, races: Races) -> str:
    return f"{middle(races.cold):.1f} s" if races.cold else "not measured"


def _fit(_: Size, races: Races) -> str:
    heard, notes = races.typical()
    train = next(note for note in notes if note.kind == "task" and note.name == "train")
    return f"{(train.ended - train.began) / 1e9:.2f} s, {(heard.heard - train.ended) / 1e9:.2f} s"


def _verdict(size: Size, races: Races) -> str:
    return ", ".join(
        [
            f"≤ {size.most_seconds} s {_met(middle(races.laurel) <= size.most_seconds)}",
            f"≤ 1.0 {_met(races.ratio <= 1)}",
            f"≤ 32 {_met(calls(races) <= 32)}",
        ]
    )


def _others(figures: Figures) -> Iterator[Row]:
    late = percentile(figures.waits, 95)
    yield _row("event sent → first step running, p50", f"{middle(figures.waits):.1f} ms", "")
    yield _row(f"… p95 of {len(figures.waits)}", f"{late:.1f} ms", "≤ 20 ms", met=late <= 20)
    worst = max(figures.first_waits)
    first = f"{middle(figures.first_waits):.0f} ms, at most {worst:.0f} ms"
    yield _row("… the first event after a start", first, "≤ 60 ms", met=worst <= 60)
    longest = max(figures.flood_waits)
    flooded = f"… the longest of {len(figures.flood_waits)} beside 1 MB of bad requests in another partition"
    yield _row(flooded, f"{longest:.0f} ms", "≤ 1,000 ms", met=longest <= 1000)
    if figures.idle_megabytes:
        yield _row(
            "idle worker with its two children",
            f"{figures.idle_megabytes:.0f} MB",
            "≤ 500 MB",
            met=figures.idle_megabytes <= 500,
        )
    if figures.restarts:
        yield from _after_a_kill(figures)
    yield from _commands(figures)
    if figures.up:
        up = figures.up
        yield _row(
            "`laurel up`, second start, to ready",
            f"{up.second_seconds:.1f} s",
            "≤ 6 s",
            met=up.second_seconds <= 6,
        )
        yield _row("… CPU seconds of it, on all cores", f"{sum(up.cpu_seconds.values()):.1f} s", "")
        for what, seconds in up.cpu_seconds.items():
            yield _row(f"… … {what}", f"{seconds:.1f} s", "")
        held = f"{up.megabytes:.0f} MB"
        yield _row(
            "servers, worker and listener of `laurel up`", held, "≤ 1,100 MB", met=up.megabytes <= 1100
        )


def _commands(figures: Figures) -> Iterator[Row]:
    for command, seconds in figures.commands.items():
        most = 0.3 if command == HELP else 1.0
        yield _row(f"`laurel {command}`, CPU", f"{seconds:.2f} s", f"≤ {most} s", met=seconds <= most)


def _after_a_kill(figures: Figures) -> Iterator[Row]:
    stored = max(restart.next_event_stored for restart in figures.restarts)
    taken = max(restart.own_run_taken for restart in figures.restarts)
    name = "worker killed by SIGKILL and started again: ready → next event stored"
    yield _row(name, f"{stored * 1000:.0f} ms", "≤ 1,000 ms", met=stored <= 1)
    yield _row("… ready → its own run taken back", f"{taken * 1000:.0f} ms", "at once", met=taken <= 1)


def _row(name: str, measured: str, target: str, *, met: bool | None = None) -> Row:
    return [name, measured, target if met is None else f"{target}: {_met(met)}"]


def _met(met: bool) -> str:  # noqa: FBT001 - reads as it says
    return "met" if met else "**not met**"
