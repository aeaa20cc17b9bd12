"""Holds and quarantines, and a ledger that takes no promotion past them, whichever release decided it."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

HOLDS = """
CREATE TABLE laurel.promotion_holds (
    hold_id text PRIMARY KEY,
    model_name text NOT NULL,
    content text NOT NULL,
    until timestamptz,
    begun_at timestamptz NOT NULL,
    ended_at timestamptz,
    ending_id text CONSTRAINT one_hold_per_ending UNIQUE,
    ending text
);
CREATE UNIQUE INDEX one_open_hold ON laurel.promotion_holds (model_name) WHERE ended_at IS NULL;
CREATE INDEX holds_by_time ON laurel.promotion_holds (model_name, begun_at);
"""

# `recipe` as `domain.quarantine.Recipe` spells it; null where no run of ours made the model.
QUARANTINES = """
CREATE TABLE laurel.quarantines (
    model_name text NOT NULL,
    generation bigint NOT NULL,
    by_generation bigint NOT NULL,
    recipe text,
    content text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lift_id text CONSTRAINT one_quarantine_per_lift UNIQUE,
    lift text,
    lifted_at timestamptz,
    PRIMARY KEY (model_name, generation, by_generation)
);
CREATE UNIQUE INDEX one_open_quarantine ON laurel.quarantines (model_name, generation)
    WHERE lifted_at IS NULL;
CREATE INDEX quarantines_by_generation ON laurel.quarantines (model_name, by_generation, generation);
"""

# A worker of an earlier release knows of neither table: to it, a refusal of class 57 (operator intervention)
# is a database that does not take the promotion yet, for which it waits. Its role may have no right to the
# tables, so the trigger reads as the owner. What follows a head that moved is left to the primary key.
# (json refuses to read past \u0000, which a reason may hold.)
GUARD = r"""
CREATE FUNCTION laurel.recipe_of(content text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT concat_ws('/', said -> 'triple' ->> 'split_version', said -> 'triple' ->> 'feature_version',
        said -> 'triple' ->> 'model_version',
        replace(split.output, '\u0000', '\u0001')::json -> 'train' ->> 'sha256')
    FROM (SELECT replace(content, '\u0000', '\u0001')::json AS said) AS entry
    JOIN laurel.run_outputs AS split ON split.run_id = said ->> 'run_id' AND split.name = 'split'
$$;
CREATE FUNCTION laurel.refuse_barred_promotion() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    turn CONSTANT bigint := hashtextextended('laurel/ledger/' || NEW.model_name, 0);
    left_with bigint;
BEGIN
    IF NEW.cause <> 'gate' THEN
        RETURN NEW;
    END IF;
    PERFORM pg_advisory_xact_lock_shared(turn);  -- a hold begins alone: it waits for all, and all for it
    IF EXISTS (SELECT FROM laurel.promotion_ledger
        WHERE model_name = NEW.model_name AND generation >= NEW.generation)
    THEN
        RETURN NEW;
    END IF;
    IF EXISTS (SELECT FROM laurel.promotion_holds
        WHERE model_name = NEW.model_name AND ended_at IS NULL
            AND coalesce(until > clock_timestamp(), true))
    THEN
        RAISE EXCEPTION 'promotions of % are held', NEW.model_name USING ERRCODE = '57LA4';
    END IF;
    SELECT generation INTO left_with FROM laurel.quarantines
        WHERE model_name = NEW.model_name AND lifted_at IS NULL AND recipe IS NOT NULL
            AND recipe = laurel.recipe_of(NEW.content)
        LIMIT 1;
    IF left_with IS NOT NULL THEN
        RAISE EXCEPTION 'the recipe of generation % of % is quarantined', left_with, NEW.model_name
            USING ERRCODE = '57LA5';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER barred_promotion BEFORE INSERT ON laurel.promotion_ledger
    FOR EACH ROW EXECUTE FUNCTION laurel.refuse_barred_promotion();
"""


def upgrade() -> None:
    for statements in (HOLDS, QUARANTINES, GUARD):
        op.execute(statements)
