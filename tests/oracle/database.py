"""PostgreSQL by SQL: every table in one transaction, so that the rows belong together.

Rows come in a set order, for snapshots are compared: an update may move a row within its table.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row

from tests.oracle.facts import FirstUse, LedgerRow, OutboxRow, RunRow, Transition

Row = TypeVar("Row")


def read_database(url: str, model_name: str) -> dict[str, Any]:
    """Read what concerns one model, as fields of `World`."""
    with psycopg.connect(url, row_factory=dict_row, connect_timeout=5) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

        def rows(make: Callable[[Mapping[str, Any]], Row], query: str) -> tuple[Row, ...]:
            found = connection.execute(query.encode(), {"model": model_name}).fetchall()
            return tuple(make(row) for row in found)

        outputs: dict[str, dict[str, Any]] = {}
        for run_id, name, output in rows(
            lambda row: (row["run_id"], row["name"], json.loads(row["output"])),
            "SELECT run_id, name, output FROM laurel.run_outputs JOIN laurel.runs USING (run_id) "
            "WHERE model_name = %(model)s",
        ):
            outputs.setdefault(run_id, {})[name] = output
        return {
            "runs": rows(
                lambda row: _run(row, outputs),
                "SELECT * FROM laurel.runs WHERE model_name = %(model)s ORDER BY run_id",
            ),
            "history": rows(
                lambda row: Transition(
                    row["run_id"], row["seq"], row["from_state"], row["to_state"], row["fence"]
                ),
                "SELECT t.* FROM laurel.run_transitions t JOIN laurel.runs USING (run_id) "
                "WHERE model_name = %(model)s ORDER BY run_id, seq",
            ),
            "outbox": rows(_announcement, "SELECT * FROM laurel.outbox WHERE key = %(model)s ORDER BY seq"),
            "ledger": rows(
                _entry,
                "SELECT * FROM laurel.promotion_ledger WHERE model_name = %(model)s ORDER BY generation",
            ),
            "first_uses": rows(
                lambda row: FirstUse(row["kind"], row["name"], row["digest"]),
                "SELECT * FROM laurel.first_uses WHERE model_name = %(model)s ORDER BY kind, name",
            ),
        }


def _run(row: Mapping[str, Any], outputs: Mapping[str, Mapping[str, Any]]) -> RunRow:
    return RunRow(
        run_id=row["run_id"],
        identity=row["identity"],
        coordinates=row["coordinates"],
        state=row["state"],
        fence=row["fence"],
        mlflow_run_id=row["mlflow_run_id"],
        failure=None if row["failure"] is None else json.loads(row["failure"]),
        outputs=outputs.get(row["run_id"], {}),
    )


def _announcement(row: Mapping[str, Any]) -> OutboxRow:
    return OutboxRow(
        seq=row["seq"],
        event_id=row["event_id"],
        run_id=row["run_id"],
        topic=row["topic"],
        key=row["key"],
        headers=json.loads(row["headers"]),
        body=row["body"],
        sent=row["sent_at"] is not None,
    )


def _entry(row: Mapping[str, Any]) -> LedgerRow:
    return LedgerRow(
        row["generation"], row["version"], row["cause"], row["previous_hash"], row["hash"], row["content"]
    )
