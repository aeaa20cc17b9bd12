"""Would a server take this package: its own checks and predictor answer the recorded rows, as JSON.

Each row is asked for by itself, and all of them as a list, through the checks of requests. To promote what no
server can load, or what it answers otherwise, would stop production without a word.
"""

import json
from collections.abc import Mapping
from math import isclose
from typing import Any, Final, NamedTuple

from domain.arrays import single
from domain.errors import ModelUnusable
from domain.strict_json import parse_json
from service.adapters.sklearn.row_prediction import RowPredictor
from service.adapters.sklearn.row_preparation import RowPreparation
from service.models.checked_model import checked_model, require_layout
from service.models.golden_rows import GOLDEN, prepared_values
from service.models.load import ModelFolder
from service.models.memory import Schema
from service.models.request_columns import ColumnChecks
from service.models.request_fields import RequestChecks, request_fields

# A row by itself may be added up in another order than a list. Another category makes more of a difference.
_TOLERANCE: Final = 1e-6

_Row = Mapping[str, Any]


def require_servable(folder: ModelFolder, schema: Schema, pipeline: Any) -> None:
    """Raise ModelUnusable `not_servable`, naming column and row where one of them is at fault.

    `pipeline` was loaded from the folder, whose files were checked. A model without a number for any of its
    rows has nothing to be asked for, and never wins.
    """
    if not folder.travelling(GOLDEN)["rows"]:
        return
    try:
        require_layout(folder)
        predict = RowPredictor.of(pipeline)
        _require_answers(folder.travelling(GOLDEN), schema, predict)
        checked_model(folder, schema, predict)
    except ModelUnusable as error:
        raise (
            error if error.reason == "not_servable" else _not_servable(error.message, because=error)
        ) from error
    except Exception as error:  # whatever a server would meet, it could not serve the model
        raise _not_servable(f"{type(error).__name__}: {error}", because=error) from error


def _require_answers(golden: Mapping[str, Any], schema: Schema, predict: RowPredictor) -> None:
    fields = request_fields(schema.features, schema.contract, predict.categories, predict.singles)
    checks = RequestChecks(fields, refuse_unknown=True)
    rows = [_through_json(row) for row in golden["rows"]]
    alone = [_Asked(place, _taken(checks, place, row)) for place, row in enumerate(rows)]
    for asked in alone:
        _require_same(asked, "by itself", predict([asked.row])[0], golden, predict)
    rows = _through_json(golden["rows"])
    together = [_taken(checks, place, row) for place, row in enumerate(rows)]
    for asked, said in zip(alone, predict(together), strict=True):
        _require_same(asked, "in a list", said, golden, predict)
    columns = ColumnChecks(fields, refuse_unknown=True).taken(rows)
    if columns is None or predict.of_columns is None or (answers := predict.of_columns(columns)) is None:
        return
    for asked, said in zip(alone, answers, strict=True):
        _require_same(asked, "in a long list", said, golden, predict)


class _Asked(NamedTuple):
    place: int
    row: _Row


def _through_json(value: Any) -> Any:
    return parse_json(json.dumps(value, ensure_ascii=False).encode())


def _taken(checks: RequestChecks, place: int, row: Any) -> _Row:
    taken = checks.taken(row)
    if taken is None:
        fault = next(checks.faults(row, place))
        raise _not_servable(f"requests refuse {fault.came}, and accept {fault.allowed}", place, fault.field)
    return taken


def _require_same(
    asked: _Asked, how: str, said: float, golden: Mapping[str, Any], predict: RowPredictor
) -> None:
    recorded = golden["predictions"][asked.place]
    if not isclose(said, recorded, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
        column = _odd_column(golden, asked, predict)
        raise _not_servable(f"{recorded!r} was recorded, {how} {said!r} is served", asked.place, column)


def _odd_column(golden: Mapping[str, Any], asked: _Asked, predict: RowPredictor) -> str | None:
    """The first column that a server prepares otherwise than the fit did; None if there is none."""
    if not isinstance(predict.prepare, RowPreparation):
        return None
    recorded = dict(golden["prepared"][asked.place])
    now = dict(prepared_values(predict.prepare([asked.row])[0]))
    odd = [
        place
        for place in recorded.keys() | now
        if recorded.get(place, 0.0) not in _spelled(now.get(place, 0.0))
    ]
    return predict.prepare.column_of(min(odd)) if odd else None


def _spelled(value: float | None) -> tuple[float | None, ...]:
    """What may be recorded of a value: itself, or in 32 bits, from which some types of models learn."""
    return (value,) if value is None else (value, single(value))


def _not_servable(
    what: str, row: int | None = None, column: str | None = None, because: Exception | None = None
) -> ModelUnusable:
    places = [f"column {column!r}"] if column else []
    places += [] if row is None else [f"golden row {row}"]
    where = f" ({', '.join(places)})" if places else ""
    cause = because.reason if isinstance(because, ModelUnusable) else None
    facts = {"row": row, "column": column or _fact(because, "column"), "because": cause}
    return ModelUnusable(
        "not_servable",
        f"a server would not serve this model as it was scored{where}: {what}",
        **{name: value for name, value in facts.items() if value is not None},
    )


def _fact(error: Exception | None, name: str) -> Any:
    return error.facts.get(name) if isinstance(error, ModelUnusable) else None
