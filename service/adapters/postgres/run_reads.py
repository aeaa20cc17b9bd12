"""Runs as people and their commands read them, in plain SQL, and how a row becomes a run again."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from domain.lifecycle import ENDS, State, Step
from domain.run import Failure, Run, TransitionRecord
from service.adapters.postgres.rows import Row, RowSource, dump_json, load_json

NO_OUTPUTS: Final[Mapping[str, object]] = {"known": []}
_NOTHING: Final[Mapping[str, object]] = {}

COLUMNS: Final = (
    "run_id",
    "model_name",
    "identity",
    "payload",
    "correlation_id",
    "causation_id",
    "state",
    "fence",
    "owner",
    "attempts",
    "mlflow_run_id",
    "failure",
    "waiting_on",
    "waiting_since",
    "requested_at",
    "updated_at",
)
_JSON_COLUMNS: Final = ("payload", "failure")


def run_of(row: Row, known: Mapping[str, object] = _NOTHING, added: Mapping[str, object] = _NOTHING) -> Run:
    """Make a run of a row: `known` outputs were not read again, `added` ones are newer than what was read."""
    fields = {name: row[name] for name in COLUMNS}
    for name in _JSON_COLUMNS:
        fields[name] = None if row[name] is None else load_json(row[name])
    outputs = load_json(row["outputs"]) if row["outputs"] else {}
    return Run.model_validate({**fields, "outputs": _with_early_ones({**known, **outputs, **added})})


def _with_early_ones(outputs: dict[str, object]) -> dict[str, object]:
    """With what a run kept before its training was committed: at its end only the training keeps it."""
    train = outputs.get(Step.TRAIN)
    if not isinstance(train, Mapping):
        return outputs
    early = {"package": train.get("package"), "logged_model": train.get("model")}
    return {**{name: left for name, left in early.items() if left is not None}, **outputs}


def transition_of(row: Row) -> TransitionRecord:
    """Make a record of a row of history."""
    return TransitionRecord.model_validate(dict(row))


def failure_text(failure: Failure | None) -> str | None:
    """Write a failure down."""
    return None if failure is None else dump_json(failure.model_dump(mode="json"))


_AT_MOST: Final = 100  # more runs than a person reads
_INDEXED: Final = 200  # characters of an id that others gave, which may be longer than an index takes

_RUN: Final = f"""
    SELECT {", ".join(f"runs.{name}" for name in COLUMNS)}, (
        SELECT json_object_agg(kept.name, kept.output::json)::text
        FROM laurel.run_outputs AS kept
        WHERE kept.run_id = runs.run_id
    ) AS outputs
    FROM laurel.runs
"""  # noqa: S608 - constants of ours
_NEWEST_FIRST: Final = f"ORDER BY runs.number DESC LIMIT {_AT_MOST}"
_GET: Final = f"{_RUN} WHERE runs.run_id = %(run)s::text"
_FIND: Final = f"""
    {_RUN}
    WHERE runs.identity_digest = %(digest)s::text OR runs.mlflow_run_id = %(text)s::text
    {_NEWEST_FIRST}
"""
_SEARCH: Final = rf"""
    {_RUN}
    WHERE runs.identity_digest = %(digest)s::text
        OR runs.run_id LIKE %(pattern)s::text COLLATE "C" ESCAPE '\'
        OR (left(runs.causation_id, {_INDEXED}) LIKE %(indexed)s::text ESCAPE '\'
            AND runs.causation_id LIKE %(pattern)s::text ESCAPE '\')
        OR (left(runs.correlation_id, {_INDEXED}) LIKE %(indexed)s::text ESCAPE '\'
            AND runs.correlation_id LIKE %(pattern)s::text ESCAPE '\')
        OR runs.mlflow_run_id LIKE %(pattern)s::text ESCAPE '\'
    {_NEWEST_FIRST}
"""
_HISTORY: Final = """
    SELECT run_id, seq, from_state, to_state, outcome, fence, at
    FROM laurel.run_transitions
    WHERE run_id = %(run)s::text
    ORDER BY seq
"""
_IN_ENDS: Final = """
    (SELECT run_id FROM laurel.listed_requests
    WHERE model_name = %(model)s::text AND end_state IN ({states})
    ORDER BY asked_at DESC LIMIT %(at_most)s)
"""
_GOING_ON: Final = """
    (SELECT run_id FROM laurel.runs
    WHERE model_name = %(model)s::text AND NOT ended AND state IN ({states})
    ORDER BY number DESC LIMIT %(at_most)s)
"""


class PostgresRunReads:
    """`domain.ports.run_store.RunReads`."""

    def __init__(self, database: RowSource) -> None:
        self._asked = database

    async def get(self, run_id: str) -> Run | None:
        """Read one run."""
        return next(iter(await self._runs("read a run", _GET, {"run": run_id})), None)

    async def find(self, text: str) -> Sequence[Run]:
        """Find runs by identity or by MLflow run; newest first."""
        if not text:
            return ()
        return await self._runs("find runs", _FIND, {"digest": digest_of(text), "text": text})

    async def search(self, text: str) -> Sequence[Run]:
        """Find runs by the beginning of any of their ids, or by identity; newest first."""
        if not text:
            return ()
        indexed = _beginning(text[:_INDEXED])
        parameters = {"pattern": _beginning(text), "indexed": indexed, "digest": digest_of(text)}
        return await self._runs("search runs", _SEARCH, parameters)

    async def recent(
        self, model_name: str, limit: int, states: Sequence[State] = (), *, unfinished: bool = False
    ) -> Sequence[Run]:
        """Read the newest requests first."""
        wanted = {"model": model_name, "at_most": limit}
        return await self._runs("read runs", _recent(states, unfinished=unfinished), wanted)

    async def history(self, run_id: str) -> Sequence[TransitionRecord]:
        """Read a run's transitions in order."""
        rows = await self._asked.rows("read a history", _HISTORY, {"run": run_id})
        return [transition_of(row) for row in rows]

    async def _runs(self, doing: str, query: str, parameters: Mapping[str, object]) -> Sequence[Run]:
        return [run_of(row) for row in await self._asked.rows(doing, query, parameters)]


def _recent(states: Sequence[State], *, unfinished: bool) -> str:
    """Select a model's newest runs, in certain states or not ended if so asked.

    Those in certain states are looked up by narrow indexes: among a million runs few may have failed.
    """
    wanted = ["runs.model_name = %(model)s::text"]
    if states:
        wanted.append(f"runs.run_id IN ({' UNION ALL '.join(_in_states(states))})")
    if unfinished:
        wanted.append("NOT runs.ended")
    return f"{_RUN} WHERE {' AND '.join(wanted)} ORDER BY runs.number DESC LIMIT %(at_most)s"


def _in_states(states: Sequence[State]) -> Iterator[str]:
    ends, others = (
        ", ".join(f"'{state}'" for state in states if (state in ENDS) is end) for end in (True, False)
    )
    if ends:
        yield _IN_ENDS.format(states=ends)
    if others:
        yield _GOING_ON.format(states=others)


def digest_of(text: str) -> str:
    """sha256 of an identity, which may be longer than an index takes."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _beginning(text: str) -> str:
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    return f"{text}%"
