"""An audit of the newest generations, which an insert can afford in however long a ledger."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# As many as `domain.ledger.RECENT`; 0 where there are fewer.
RECENT = """
CREATE FUNCTION laurel.recent_generation(model text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT generation FROM laurel.promotion_ledger WHERE model_name = model
        ORDER BY generation DESC OFFSET 999 LIMIT 1), 0)
$$;
"""

# From a generation on: its own link is taken for sound, unless it is the first. (json refuses to read past
# \u0000, which a reason may hold.)
CHAIN = r"""
CREATE FUNCTION laurel.first_broken_link(model text, from_generation bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT min(expected) FROM (
        SELECT *,
            CASE WHEN content IS JSON THEN replace(content, '\u0000', '\u0001')::json END AS said,
            lag(generation, 1, CASE WHEN from_generation > 0 THEN generation - 1 ELSE 0 END)
                OVER by_generation + 1 AS expected,
            lag(hash, 1, CASE WHEN from_generation > 0 THEN previous_hash ELSE repeat('0', 64) END)
                OVER by_generation AS hash_before
        FROM laurel.promotion_ledger
        WHERE model_name = model AND generation >= from_generation
        WINDOW by_generation AS (ORDER BY generation)
    ) AS entry
    WHERE generation < expected
        OR (generation > expected AND cause <> 'recovery')
        OR previous_hash <> hash_before
        OR hash <> encode(sha256(convert_to(content, 'UTF8')), 'hex')
        OR (model_name, generation::text, version::text, cause, previous_hash) IS DISTINCT FROM (
            said ->> 'model_name', said ->> 'generation', said ->> 'version', said ->> 'cause',
            said ->> 'previous_hash')
$$;
CREATE OR REPLACE FUNCTION laurel.first_broken_link(model text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT laurel.first_broken_link(model, 0)
$$;
"""

# What was announced must stand in the ledger as it was said. A recovery accepts whatever was said before it.
AUDIT = r"""
CREATE FUNCTION laurel.first_broken_generation(model text, from_generation bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT min(broken) FROM (
        SELECT laurel.first_broken_link(model, from_generation) AS broken
        UNION ALL
        SELECT told.generation FROM (
            SELECT generation,
                CASE WHEN body IS JSON THEN replace(body, '\u0000', '\u0001')::json END AS said
            FROM laurel.outbox WHERE key = model AND generation IS NOT NULL AND generation >= from_generation
        ) AS told
        LEFT JOIN laurel.promotion_ledger AS entry
            ON entry.model_name = model AND entry.generation = told.generation
                AND entry.generation >= from_generation
        WHERE told.generation >= coalesce((
                SELECT max(generation) FROM laurel.promotion_ledger
                WHERE model_name = model AND cause = 'recovery' AND generation >= from_generation), 0)
            AND (entry.generation IS NULL
                OR said ->> 'entry_hash' <> entry.hash
                OR said ->> 'version' <> entry.version::text
                OR said ->> 'cause' <> entry.cause
                OR said ->> 'model_digest' <> entry.model_digest)
    ) AS found
$$;
CREATE OR REPLACE FUNCTION laurel.first_broken_generation(model text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT laurel.first_broken_generation(model, 0)
$$;
"""

# The guard of 0004, which audits the recent generations alone: the whole of them is what workers look at. A
# recovery still goes through all.
GUARD = """
CREATE OR REPLACE FUNCTION laurel.require_sound_chain() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    recovers CONSTANT boolean := NEW.cause = 'recovery';
    turn CONSTANT bigint := hashtextextended('laurel/ledger/' || NEW.model_name, 0);
    head_generation bigint;
    head_hash text;
    highest bigint;
    broken bigint;
BEGIN
    IF recovers THEN
        PERFORM pg_advisory_xact_lock(turn);
        broken := laurel.first_broken_link(NEW.model_name);
    ELSE
        PERFORM pg_advisory_xact_lock_shared(turn);
        broken := laurel.first_broken_generation(NEW.model_name, laurel.recent_generation(NEW.model_name));
    END IF;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'the promotion ledger of % is broken at generation %', NEW.model_name, broken
            USING ERRCODE = 'LA002';
    END IF;
    SELECT generation, hash INTO head_generation, head_hash FROM laurel.promotion_ledger
        WHERE model_name = NEW.model_name ORDER BY generation DESC LIMIT 1;
    IF NEW.generation <= head_generation OR (recovers AND NEW.previous_hash <> head_hash) THEN
        RAISE EXCEPTION 'generation % of % is the head already', head_generation, NEW.model_name
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'one_entry_per_generation';
    END IF;
    SELECT max(generation) INTO highest FROM laurel.outbox WHERE key = NEW.model_name;
    IF (NEW.generation > coalesce(head_generation, 0) + 1 AND NOT recovers)
        OR (recovers AND NEW.generation <= highest)
        OR NEW.hash <> encode(sha256(convert_to(NEW.content, 'UTF8')), 'hex')
        OR NEW.previous_hash <> coalesce(head_hash, repeat('0', 64))
    THEN
        RAISE EXCEPTION 'generation % of % does not follow generation %',
            NEW.generation, NEW.model_name, coalesce(head_generation, 0) USING ERRCODE = 'LA003';
    END IF;
    RETURN NEW;
END $$;
"""


def upgrade() -> None:
    for statements in (RECENT, CHAIN, AUDIT, GUARD):
        op.execute(statements)
