"""The requests of a model as lists show them: a narrow row for each, counted, and kept by triggers."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Nobody waits for the filling, however long it takes; it takes some ten seconds for a million runs.
PATIENT = "SET LOCAL statement_timeout = 0"

# Its key is the order of the lists; what a list may filter by is beside it, so that no run is read to be
# passed over. A run without an end has no `end_state`, a request that no worker has read no `run_id`.
LISTED = """
CREATE TABLE laurel.listed_requests (
    model_name text NOT NULL,
    asked_at timestamptz NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    door text NOT NULL,
    run_id text COLLATE "C",
    end_state text,
    ended_at timestamptz,
    pruned_at timestamptz
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
CREATE TABLE laurel.listed_counts (
    model_name text NOT NULL,
    door text NOT NULL,
    end_state text NOT NULL,
    requests bigint NOT NULL,
    PRIMARY KEY (model_name, door, end_state)
) WITH (fillfactor = 50);
"""

# A run, under the id that its API gave it, or its own; and what Kafka has and no worker has read yet.
STORED = """
CREATE VIEW laurel.runs_to_list AS
SELECT runs.model_name,
    coalesce(asked.asked_at, runs.requested_at) AS asked_at,
    coalesce(asked.request_id, runs.run_id) AS request_id,
    coalesce(asked.door, 'kafka') AS door,
    runs.run_id,
    CASE WHEN runs.ended THEN runs.state END AS end_state,
    CASE WHEN runs.ended THEN runs.updated_at END AS ended_at
FROM laurel.runs
LEFT JOIN laurel.asked_requests AS asked USING (identity_digest, model_name);
"""

FILLED = """
SELECT set_config('laurel.seen', coalesce(max(number), 0)::text, true),
    set_config('laurel.began', clock_timestamp()::text, true) FROM laurel.runs;
INSERT INTO laurel.listed_requests SELECT * FROM laurel.runs_to_list;
INSERT INTO laurel.listed_requests
SELECT model_name, asked_at, request_id, door FROM laurel.asked_requests AS asked
WHERE acknowledged_at IS NOT NULL AND NOT EXISTS (
    SELECT FROM laurel.runs
    WHERE runs.identity_digest = asked.identity_digest AND runs.model_name = asked.model_name);
ALTER TABLE laurel.listed_requests
    ADD PRIMARY KEY (model_name, asked_at, request_id, door) INCLUDE (end_state, ended_at);
CREATE INDEX listed_by_end_state ON laurel.listed_requests (model_name, end_state, asked_at, request_id, door)
    WHERE end_state IS NOT NULL;
CREATE INDEX listed_by_end ON laurel.listed_requests (model_name, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX listed_unpruned ON laurel.listed_requests (model_name, ended_at)
    WHERE end_state IN ('DECLINED', 'REJECTED', 'FAILED') AND pruned_at IS NULL;
CREATE INDEX listed_unfinished ON laurel.listed_requests (model_name, asked_at, request_id)
    WHERE end_state IS NULL;
ANALYZE laurel.listed_requests;
INSERT INTO laurel.listed_counts
SELECT model_name, door, end_state, count(*) FROM laurel.listed_requests
WHERE end_state IS NOT NULL GROUP BY model_name, door, end_state;
"""

# Who ends is counted, by whichever statement. The groups are in order, so that nobody waits in a circle.
COUNTED = """
CREATE FUNCTION laurel.count_listed() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO laurel.listed_counts AS counts
        SELECT model_name, door, end_state, count(*) FROM added
            WHERE end_state IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (model_name, door, end_state)
            DO UPDATE SET requests = counts.requests + excluded.requests;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO laurel.listed_counts AS counts
        SELECT model_name, door, end_state, -count(*) FROM gone
            WHERE end_state IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (model_name, door, end_state)
            DO UPDATE SET requests = counts.requests + excluded.requests;
    ELSE
        INSERT INTO laurel.listed_counts AS counts
        SELECT model_name, door, end_state, sum(change) FROM (
            SELECT model_name, door, end_state, 1 AS change FROM added
            UNION ALL SELECT model_name, door, end_state, -1 FROM gone
        ) AS changed WHERE end_state IS NOT NULL
            GROUP BY 1, 2, 3 HAVING sum(change) <> 0 ORDER BY 1, 2, 3
        ON CONFLICT (model_name, door, end_state)
            DO UPDATE SET requests = counts.requests + excluded.requests;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER counted_added AFTER INSERT ON laurel.listed_requests
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION laurel.count_listed();
CREATE TRIGGER counted_changed AFTER UPDATE ON laurel.listed_requests
    REFERENCING OLD TABLE AS gone NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION laurel.count_listed();
CREATE TRIGGER counted_gone AFTER DELETE ON laurel.listed_requests
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION laurel.count_listed();
"""

# By triggers, for a worker of an earlier release knows of none of this; as the owner, for its role may have
# no right to the tables. An ask is there before its run: should it come later, after a restore, neither may
# overlook the other, so asks take their turn alone, and runs among each other do not wait. What a run kept
# early, and its training holds too, goes at its end: it is read from there.
KEPT = r"""
CREATE FUNCTION laurel.list_runs() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('laurel/listed/' || model_name, 0))
        FROM (SELECT DISTINCT model_name FROM added ORDER BY model_name) AS models;
    INSERT INTO laurel.listed_requests
    SELECT added.model_name,
        coalesce(asked.asked_at, added.requested_at),
        coalesce(asked.request_id, added.run_id),
        coalesce(asked.door, 'kafka'),
        added.run_id,
        CASE WHEN added.ended THEN added.state END,
        CASE WHEN added.ended THEN added.updated_at END
    FROM added
    LEFT JOIN LATERAL (
        SELECT asked_at, request_id, door FROM laurel.asked_requests
        WHERE identity_digest = added.identity_digest AND model_name = added.model_name
        LIMIT 1
    ) AS asked ON true
    ON CONFLICT (model_name, asked_at, request_id, door) DO UPDATE SET
        run_id = excluded.run_id, end_state = excluded.end_state, ended_at = excluded.ended_at;
    RETURN NULL;
END $$;
CREATE FUNCTION laurel.list_end() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE laurel.listed_requests AS listed
    SET run_id = found.run_id, end_state = found.end_state, ended_at = found.ended_at
    FROM laurel.runs_to_list AS found
    WHERE found.run_id = NEW.run_id AND listed.model_name = found.model_name
        AND listed.asked_at = found.asked_at AND listed.request_id = found.request_id
        AND listed.door = found.door;
    DELETE FROM laurel.run_outputs AS early USING laurel.run_outputs AS train
    WHERE early.run_id = NEW.run_id AND train.run_id = NEW.run_id AND train.name = 'train'
        AND early.name IN ('package', 'logged_model')
        AND replace(early.output, '\u0000', '\u0001') = (replace(train.output, '\u0000', '\u0001')::json
            -> CASE early.name WHEN 'package' THEN 'package' ELSE 'model' END)::text;
    RETURN NULL;
END $$;
CREATE FUNCTION laurel.list_asked() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('laurel/listed/' || NEW.model_name, 0));
        UPDATE laurel.listed_requests AS listed
        SET asked_at = NEW.asked_at, request_id = NEW.request_id, door = NEW.door
        FROM laurel.runs
        WHERE runs.identity_digest = NEW.identity_digest AND runs.model_name = NEW.model_name
            AND listed.model_name = runs.model_name AND listed.asked_at = runs.requested_at
            AND listed.request_id = runs.run_id AND listed.door = 'kafka';
        IF FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    IF NEW.acknowledged_at IS NOT NULL THEN
        INSERT INTO laurel.listed_requests (model_name, asked_at, request_id, door)
        VALUES (NEW.model_name, NEW.asked_at, NEW.request_id, NEW.door)
        ON CONFLICT (model_name, asked_at, request_id, door) DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER runs_listed AFTER INSERT ON laurel.runs
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION laurel.list_runs();
CREATE TRIGGER end_listed AFTER UPDATE ON laurel.runs
    FOR EACH ROW WHEN (NEW.ended AND NOT OLD.ended) EXECUTE FUNCTION laurel.list_end();
CREATE TRIGGER asked_listed AFTER INSERT ON laurel.asked_requests
    FOR EACH ROW EXECUTE FUNCTION laurel.list_asked();
CREATE TRIGGER acknowledged_listed AFTER UPDATE ON laurel.asked_requests
    FOR EACH ROW WHEN (OLD.acknowledged_at IS NULL AND NEW.acknowledged_at IS NOT NULL)
    EXECUTE FUNCTION laurel.list_asked();
"""

# The triggers wait for every writer, and from then on all wait for this: so only what came or ended meanwhile
# is looked at, each by an index. What was on its way when the filling began is among the newest.
CAUGHT_UP = """
DO $$
DECLARE
    one text;
BEGIN
    FOR one IN
        WITH RECURSIVE models AS (
            (SELECT model_name FROM laurel.runs ORDER BY model_name LIMIT 1)
            UNION ALL
            SELECT (SELECT model_name FROM laurel.runs WHERE runs.model_name > models.model_name
                ORDER BY model_name LIMIT 1)
            FROM models WHERE models.model_name IS NOT NULL
        )
        SELECT newest.run_id FROM models, LATERAL (
            SELECT run_id FROM laurel.runs WHERE runs.model_name = models.model_name
                AND number > current_setting('laurel.seen')::bigint - 1000
        ) AS newest
        UNION
        SELECT run_id FROM laurel.listed_requests WHERE end_state IS NULL AND run_id IS NOT NULL
    LOOP
        INSERT INTO laurel.listed_requests AS listed
        SELECT * FROM laurel.runs_to_list WHERE run_id = one
        ON CONFLICT (model_name, asked_at, request_id, door) DO UPDATE SET
            run_id = excluded.run_id, end_state = excluded.end_state, ended_at = excluded.ended_at
        WHERE (listed.run_id, listed.end_state) IS DISTINCT FROM (excluded.run_id, excluded.end_state);
    END LOOP;
    INSERT INTO laurel.listed_requests
    SELECT model_name, asked_at, request_id, door FROM laurel.asked_requests
    WHERE acknowledged_at > current_setting('laurel.began')::timestamptz - interval '1 minute'
    ON CONFLICT (model_name, asked_at, request_id, door) DO NOTHING;
END $$;
"""


def upgrade() -> None:
    for statements in (PATIENT, LISTED, STORED, FILLED, COUNTED, KEPT, CAUGHT_UP):
        op.execute(statements)
