"""A million ended runs by SQL: each like a run that a worker carried, on either side of a few whole ones."""

from typing import Any, Final

import psycopg

_CHUNK: Final = 100_000
_WHOLE: Final = (
    1000  # so many of the oldest, of the middle and of the newest keep every output, as real ones do
)

# A run each half minute; two of three came by Kafka itself, and one of twenty failed.
_NEW: Final = """
    CREATE TEMPORARY TABLE new_runs AS
    SELECT number,
        md5('run ' || number)::uuid::text AS run_id,
        md5('event ' || number)::uuid::text AS event_id,
        clock_timestamp() - (%(runs)s::bigint - number) * interval '30 seconds' - interval '1 hour' AS at,
        CASE WHEN number %% 20 = 0 THEN 'FAILED' WHEN number %% 500 = 1 THEN 'REJECTED' ELSE 'DECLINED' END
            AS state,
        number %% 3 = 0 AS is_asked,
        least(number, abs(number - %(runs)s::bigint / 2), %(runs)s::bigint - number) < %(whole)s AS is_whole
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS number
"""
_ASKED: Final = """
    INSERT INTO laurel.asked_requests
        (model_name, request_id, identity_digest, payload, door, asked_by, asked_at, acknowledged_at)
    SELECT like_it.model_name, event_id,
        encode(sha256(convert_to('event:/laurel/api ' || event_id, 'UTF8')), 'hex'),
        like_it.payload, 'api', 'bench', at, at
    FROM new_runs, laurel.runs AS like_it WHERE like_it.run_id = %(like)s AND is_asked
"""
_RUNS: Final = """
    INSERT INTO laurel.runs (run_id, model_name, identity, identity_digest, payload, correlation_id,
        causation_id, coordinates, state, transitions, fence, mlflow_run_id, failure, requested_at,
        updated_at, pictures_done_at, status_done_at)
    SELECT new.run_id, like_it.model_name, named.identity,
        encode(sha256(convert_to(named.identity, 'UTF8')), 'hex'), like_it.payload, event_id, event_id,
        'training.requested/0@' || new.number, new.state, 6, 1, md5('mlflow ' || new.number),
        CASE WHEN new.state <> 'DECLINED' THEN %(failure)s END,
        at + interval '5 milliseconds', at + interval '4 seconds', at + interval '9 seconds',
        at + interval '5 seconds'
    FROM new_runs AS new
    JOIN laurel.runs AS like_it ON like_it.run_id = %(like)s
    CROSS JOIN LATERAL (
        SELECT CASE WHEN is_asked THEN 'event:/laurel/api ' ELSE 'event:/laurel/cli ' END || event_id
            AS identity
    ) AS named
    ORDER BY new.number
"""
_OUTPUTS: Final = """
    INSERT INTO laurel.run_outputs
    SELECT new.run_id, name, output FROM new_runs AS new, laurel.run_outputs AS like_it
    WHERE like_it.run_id = %(like)s AND (is_whole OR name = 'decide')
"""
_TRANSITIONS: Final = """
    INSERT INTO laurel.run_transitions
    SELECT new.run_id, seq, from_state, CASE WHEN to_state = 'DECLINED' THEN new.state ELSE to_state END,
        outcome, 1, new.at + seq * interval '500 milliseconds'
    FROM new_runs AS new, laurel.run_transitions AS like_it
    WHERE like_it.run_id = %(like)s AND (is_whole OR like_it.to_state = 'DECLINED')
"""
_OUTBOX: Final = """
    INSERT INTO laurel.outbox (event_id, run_id, topic, key, headers, body, created_at, sent_at)
    SELECT new.run_id || ' ended', new.run_id, 'model.declined', like_it.model_name, '{}',
        CASE WHEN is_whole THEN repeat('x', 3000) ELSE '{}' END, at, at
    FROM new_runs AS new, laurel.runs AS like_it WHERE like_it.run_id = %(like)s
"""
_SEED: Final = (_NEW, _ASKED, _RUNS, _OUTPUTS, _TRANSITIONS, _OUTBOX, "DROP TABLE new_runs")
_FAILURE: Final = '{"reason": "step_died", "message": "killed by signal 9", "facts": {"signal": 9}}'
# Row by row the triggers would take their time for each; all together they are listed in seconds.
_TRIGGERS: Final = """
    ALTER TABLE laurel.runs {how} TRIGGER USER;
    ALTER TABLE laurel.asked_requests {how} TRIGGER USER
"""
_LISTED: Final = "INSERT INTO laurel.listed_requests SELECT * FROM laurel.runs_to_list ON CONFLICT DO NOTHING"


def add_runs(connection: psycopg.Connection[Any], runs: int, like: str) -> None:
    """Insert so many ended runs, each like this declined one; then clear up as the server itself does."""
    connection.execute(_TRIGGERS.format(how="DISABLE").encode())
    for first in range(1, runs + 1, _CHUNK):
        values = {"first": first, "last": min(runs, first + _CHUNK - 1), "runs": runs, "whole": _WHOLE}
        for statement in _SEED:
            connection.execute(statement.encode(), values | {"like": like, "failure": _FAILURE})
    connection.execute(_LISTED.encode())
    connection.execute(_TRIGGERS.format(how="ENABLE").encode())
    connection.execute(b"VACUUM ANALYZE")
