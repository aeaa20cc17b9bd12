"""The figures for a reader: a table and a plot."""

import io
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.peers.contest import BARE, LAUREL, Rounds, in_order

_HEAD: Final = ["the same model, request → promoted", "median", "least to most", "÷ bare script"]
_SIZE: Final = (7.2, 3.4)  # inches
_DPI: Final = 110
_TICKS: Final = (0.5, 1, 2, 5, 10, 20, 50, 100)
_OURS, _THEIRS, _LINE = "#b2571a", "#2166ac", "#444444"


def table(rounds: Rounds) -> Iterator[str]:
    """Markdown, the quickest first."""
    yield f"| {' | '.join(_HEAD)} |"
    yield f"| --- |{' ---: |' * (len(_HEAD) - 1)}"
    for title in in_order(rounds):
        yield f"| {' | '.join(_row(title, rounds))} |"


def _row(title: str, rounds: Rounds) -> Sequence[str]:
    seconds, ratio = rounds.seconds[title], rounds.ratio(title)
    spread = f"{min(seconds):.2f} to {max(seconds):.2f} s"
    name = f"**{title}**" if title == LAUREL else title
    return [name, f"{median(seconds):.2f} s", spread, "1" if title == BARE else f"**{ratio:.2f}**"]


def plot(rounds: Rounds) -> bytes:
    """A PNG: a dot for each training, a bar at each median; seconds grow by factors."""
    titles = list(in_order(rounds))[::-1]
    with rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(_SIZE, _DPI, layout="constrained")
        axes = figure.add_subplot()
        for height, title in enumerate(titles):
            seconds, color = rounds.seconds[title], _OURS if title == LAUREL else _THEIRS
            axes.scatter(seconds, [height] * len(seconds), s=16, alpha=0.5, color=color, linewidths=0)
            axes.scatter([median(seconds)], [height], s=160, marker="|", color=color)
            axes.annotate(
                f"{median(seconds):.1f} s", (median(seconds), height), (0, 8), "data", "offset points",
                ha="center", fontsize=8, color=_LINE,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlim(_TICKS[0], _TICKS[-1])
        axes.set_xticks(_TICKS, [f"{tick} s" for tick in _TICKS])
        axes.set_xticks([], minor=True)
        axes.set_yticks(range(len(titles)), titles)
        axes.set_ylim(-0.5, len(titles) - 0.2)
        axes.set_xlabel("request → promoted; each line is about twice the one before")
        axes.grid(visible=True, axis="x", color="#e6e6e6")
        axes.set_axisbelow(True)
        picture = io.BytesIO()
        FigureCanvasAgg(figure).print_png(picture, metadata={"Software": None})
    return picture.getvalue()
