"""Who reigned when, as columns and indexes tell it; and the losses of a champion's version."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# What a sealed text says of its moment, and of what generation a replica's event is; NULL where it says none.
# (json refuses to read past \u0000, which a reason may hold.)
READERS = r"""
CREATE FUNCTION laurel.told_at(content text) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET TimeZone = 'UTC' AS $$
DECLARE
    said text;
BEGIN
    IF content IS JSON OBJECT THEN
        said := replace(content, '\u0000', '\u0001')::json ->> 'at';
    END IF;
    IF pg_input_is_valid(said, 'timestamptz') THEN
        RETURN said::timestamptz;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION laurel.told_generation(body text) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    said text;
BEGIN
    IF body IS JSON OBJECT THEN
        said := replace(body, '\u0000', '\u0001')::json ->> 'generation';
    END IF;
    IF said ~ '^[0-9]{1,18}$' THEN
        RETURN said::bigint;
    END IF;
    RETURN NULL;
END $$;
"""

# A generation reigns from its moment on, but never before the one that it follows: clocks may differ. The
# guard forbids every change of the ledger, and this one is of a column that no seal covers.
SINCE = """
ALTER TABLE laurel.promotion_ledger ADD COLUMN since timestamptz;
ALTER TABLE laurel.promotion_ledger DISABLE TRIGGER only_ever_added_to;
UPDATE laurel.promotion_ledger AS entry SET since = reign.since
FROM (
    SELECT model_name, generation,
        max(coalesce(laurel.told_at(content), recorded_at))
            OVER (PARTITION BY model_name ORDER BY generation) AS since
    FROM laurel.promotion_ledger
) AS reign
WHERE (entry.model_name, entry.generation) = (reign.model_name, reign.generation);
ALTER TABLE laurel.promotion_ledger ENABLE TRIGGER only_ever_added_to;
ALTER TABLE laurel.promotion_ledger ALTER COLUMN since SET NOT NULL;
CREATE INDEX promotion_ledger_since ON laurel.promotion_ledger (model_name, since, generation);
CREATE INDEX promotion_ledger_versions ON laurel.promotion_ledger (model_name, version, generation);
"""

# By a trigger, for a worker of an earlier release does not know the column. Its name comes after that of the
# trigger that has seen to it that the entry follows the head.
NOTED = """
CREATE FUNCTION laurel.note_since() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.since := greatest(
        coalesce(laurel.told_at(NEW.content), clock_timestamp()),
        (SELECT since FROM laurel.promotion_ledger WHERE model_name = NEW.model_name
            ORDER BY generation DESC LIMIT 1));
    RETURN NEW;
END $$;
CREATE TRIGGER stands_since BEFORE INSERT ON laurel.promotion_ledger
    FOR EACH ROW EXECUTE FUNCTION laurel.note_since();
"""

# A run is found by the beginning of any of its ids. Those that others give may be longer than an index takes.
RUN_IDS = """
DROP INDEX laurel.runs_by_mlflow_run;
CREATE INDEX runs_by_mlflow_run ON laurel.runs (mlflow_run_id text_pattern_ops)
    WHERE mlflow_run_id IS NOT NULL;
CREATE INDEX runs_by_causation ON laurel.runs (left(causation_id, 200) text_pattern_ops)
    WHERE causation_id IS NOT NULL;
CREATE INDEX runs_by_correlation ON laurel.runs (left(correlation_id, 200) text_pattern_ops);
CREATE INDEX outbox_of_replicas ON laurel.outbox (key, laurel.told_generation(body))
    WHERE topic IN ('inference.reloaded', 'inference.diverged');
"""

LOSSES = """
CREATE TABLE laurel.champion_losses (
    model_name text NOT NULL,
    generation bigint NOT NULL,
    number integer NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    PRIMARY KEY (model_name, generation, number)
);
"""


def upgrade() -> None:
    for statements in (READERS, SINCE, NOTED, RUN_IDS, LOSSES):
        op.execute(statements)
