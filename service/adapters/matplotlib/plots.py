"""What an evaluation looks like: small PNGs in one style, drawn without a display."""

import io
import warnings
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from domain.arrays import Floats

_STYLE: Final[dict[str, object]] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
}
_CANDIDATE: Final = "#2166ac"
_CHAMPION: Final = "#b2571a"
_LINE: Final = "#444444"
_SIZE: Final = (5.6, 4.2)  # inches
_DPI: Final = 100
_MOST_POINTS: Final = 5_000  # more make a picture slower and no clearer
_MOST_LOCALITIES: Final = 20
_LONGEST_NAME: Final = 28  # letters of a locality

_Group = tuple[str, NDArray[np.bool_]]  # a locality, and which rows are of it


class Predictions(NamedTuple):
    """One model on one dataset, row by row; two models are compared on the rows of one dataset."""

    truth: Floats
    prediction: Floats
    locality: Sequence[str | None] | None = None

    @property
    def finite(self) -> NDArray[np.bool_]:
        """The rows that can be drawn."""
        return np.isfinite(self.prediction) & np.isfinite(self.truth)

    @property
    def errors(self) -> Floats:
        """Absolute errors, in the target's unit."""
        return np.abs(self.prediction - self.truth)


def predicted_vs_actual(candidate: Predictions, target: str, judged: str = "") -> bytes:
    """Each row by its true and its predicted value; a perfect model stands on the diagonal."""
    with rc_context(_STYLE):
        figure, axes = _axes(
            f"Predicted against actual\n{judged}".strip(), f"actual {target}", f"predicted {target}"
        )
        shown = _sample(candidate.finite)
        truth, prediction = candidate.truth[shown], candidate.prediction[shown]
        axes.scatter(truth, prediction, s=9, alpha=0.4, color=_CANDIDATE, linewidths=0)
        _diagonal(axes, truth, prediction)
        return _png(figure, axes, len(shown), len(candidate.truth))


def residuals(candidate: Predictions, target: str) -> bytes:
    """How far each prediction is off, over what was predicted; a fair model scatters around zero."""
    with rc_context(_STYLE):
        figure, axes = _axes("Residuals", f"predicted {target}", "predicted - actual")
        shown = _sample(candidate.finite)
        off = candidate.prediction[shown] - candidate.truth[shown]
        axes.scatter(candidate.prediction[shown], off, s=9, alpha=0.4, color=_CANDIDATE, linewidths=0)
        axes.axhline(0, color=_LINE, linewidth=1)
        return _png(figure, axes, len(shown), len(candidate.truth))


def error_by_locality(candidate: Predictions, champion: Predictions | None, target: str) -> bytes:
    """The mean absolute error in the localities with most rows; a dot is the champion's."""
    with rc_context(_STYLE):
        figure, axes = _axes("Mean absolute error by locality", f"mean absolute error ({target})", "")
        groups = _largest(candidate.locality or ())
        places = np.arange(len(groups))
        axes.barh(places, _mean_errors(candidate, groups), color=_CANDIDATE, label="candidate")
        if champion is not None:
            axes.plot(_mean_errors(champion, groups), places, "o", color=_CHAMPION, label="champion")
            axes.legend(frameon=False)
        axes.set_yticks(places, [_plain(f"{name} ({rows.sum()})") for name, rows in groups])
        axes.invert_yaxis()
        return _png(figure, axes, len(candidate.truth), len(candidate.truth))


def candidate_vs_champion(
    candidate: Predictions, champion: Predictions, target: str, judged: str = ""
) -> bytes:
    """Each row by the absolute error of both models; below the diagonal the candidate is closer.

    `judged` says what the gate compared, which need not be the absolute error.
    """
    with rc_context(_STYLE):
        both = candidate.finite & champion.finite
        old, new = champion.errors, candidate.errors
        closer = float(np.mean(new[both] < old[both])) if both.any() else 0.0
        title = f"Candidate against champion: closer on {closer:.0%} of the rows\n{judged}".strip()
        figure, axes = _axes(title, f"error of the champion ({target})", f"error of the candidate ({target})")
        shown = _sample(both)
        axes.scatter(old[shown], new[shown], s=9, alpha=0.4, color=_CANDIDATE, linewidths=0)
        _diagonal(axes, old[shown], new[shown])
        return _png(figure, axes, len(shown), len(candidate.truth))


def _axes(title: str, across: str, up: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(title=_plain(title), xlabel=_plain(across), ylabel=_plain(up))
    return figure, axes


def _png(figure: Figure, axes: Axes, shown: int, rows: int) -> bytes:
    if shown < rows:
        note = f"{shown} of {rows} rows"
        axes.annotate(note, (1, 1.02), xycoords="axes fraction", ha="right", fontsize=7, color=_LINE)
    buffer = io.BytesIO()
    with warnings.catch_warnings(
        action="ignore", category=UserWarning
    ):  # a font without some script's letters
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _plain(text: str) -> str:
    """A dollar sign in a column's name would start a formula."""
    return text.replace("$", r"\$")


def _sample(usable: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The places of at most `_MOST_POINTS` usable rows, evenly over all of them."""
    places = np.flatnonzero(usable)
    if len(places) <= _MOST_POINTS:
        return places
    return places[np.linspace(0, len(places) - 1, _MOST_POINTS, dtype=np.intp)]


def _diagonal(axes: Axes, across: Floats, up: Floats) -> None:
    if len(across):
        ends = [min(across.min(), up.min()), max(across.max(), up.max())]
        axes.plot(ends, ends, color=_LINE, linewidth=1)


def _largest(localities: Sequence[str | None]) -> list[_Group]:
    """The localities with most rows, each with a mask of its rows."""
    of_rows = np.array(["(none)" if name is None else name for name in localities])
    names, counts = np.unique(of_rows, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_MOST_LOCALITIES]
    return [(_short(str(names[place])), of_rows == names[place]) for place in order]


def _mean_errors(predictions: Predictions, groups: Sequence[_Group]) -> list[float]:
    found = [predictions.errors[rows & predictions.finite] for _, rows in groups]
    return [float(errors.mean()) if len(errors) else float("nan") for errors in found]


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
