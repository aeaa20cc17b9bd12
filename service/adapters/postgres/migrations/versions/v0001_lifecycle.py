"""The run store, the outbox, the promotion ledger, first uses and alias writes."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

RUNS = """
CREATE TABLE laurel.runs (
    run_id text COLLATE "C" PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY,
    model_name text NOT NULL,
    identity text NOT NULL,
    identity_digest text NOT NULL,
    payload text NOT NULL,
    correlation_id text NOT NULL,
    causation_id text,
    coordinates text,
    state text NOT NULL DEFAULT 'REQUESTED' CONSTRAINT known_state CHECK (state IN (
        'REQUESTED', 'RESOLVED', 'SPLIT', 'VERSIONED', 'TRAINED', 'EVALUATED', 'PROMOTED',
        'COMPLETED', 'DECLINED', 'REJECTED', 'FAILED')),
    ended boolean NOT NULL GENERATED ALWAYS AS (
        state IN ('COMPLETED', 'DECLINED', 'REJECTED', 'FAILED')) STORED,
    transitions integer NOT NULL DEFAULT 0,
    fence bigint NOT NULL DEFAULT 0,
    owner text,
    claim_id text,
    lease_until timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    not_before timestamptz,
    mlflow_run_id text,
    failure text,
    waiting_on text,
    waiting_since timestamptz,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    pictures_done_at timestamptz,
    status_done_at timestamptz,
    CONSTRAINT one_run_per_identity UNIQUE (identity_digest, model_name)
) WITH (fillfactor = 80);
CREATE INDEX runs_by_arrival ON laurel.runs (model_name, number);
CREATE INDEX runs_by_mlflow_run ON laurel.runs (mlflow_run_id) WHERE mlflow_run_id IS NOT NULL;
CREATE INDEX runs_unfinished ON laurel.runs (model_name, number) WHERE NOT ended;
CREATE INDEX runs_without_pictures ON laurel.runs (model_name, number)
    WHERE ended AND pictures_done_at IS NULL;
CREATE INDEX runs_without_status ON laurel.runs (model_name, number) WHERE ended AND status_done_at IS NULL;

CREATE TABLE laurel.run_outputs (
    run_id text COLLATE "C" NOT NULL REFERENCES laurel.runs,
    name text NOT NULL,
    output text NOT NULL,
    PRIMARY KEY (run_id, name)
);

CREATE TABLE laurel.run_transitions (
    run_id text COLLATE "C" NOT NULL REFERENCES laurel.runs,
    seq integer NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    outcome text NOT NULL,
    fence bigint NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (run_id, seq)
);
"""

OUTBOX = """
CREATE TABLE laurel.outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id text NOT NULL CONSTRAINT one_row_per_event UNIQUE,
    run_id text COLLATE "C",
    topic text NOT NULL,
    key text NOT NULL,
    generation bigint,
    headers text NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX outbox_unsent ON laurel.outbox (key, seq) WHERE sent_at IS NULL;
CREATE UNIQUE INDEX outbox_generations ON laurel.outbox (key, generation) WHERE generation IS NOT NULL;
"""

LEDGER = """
CREATE TABLE laurel.promotion_ledger (
    model_name text NOT NULL,
    generation bigint NOT NULL CHECK (generation >= 1),
    version bigint NOT NULL CHECK (version >= 1),
    cause text NOT NULL,
    previous_hash text NOT NULL,
    hash text NOT NULL,
    content text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT one_entry_per_generation PRIMARY KEY (model_name, generation)
);
"""

# What an auditor asks, without any code of ours. A generation is broken when its content does not have its
# hash, when its columns say something else than its content, when it does not point to the one before, or
# when it was announced and is gone. (json refuses to read past \u0000, which a reason may hold.)
AUDIT = r"""
CREATE FUNCTION laurel.first_broken_generation(model text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT min(broken) FROM (
        SELECT place AS broken FROM (
            SELECT *,
                CASE WHEN content IS JSON THEN replace(content, '\u0000', '\u0001')::json END AS said,
                row_number() OVER by_generation AS place,
                lag(hash, 1, repeat('0', 64)) OVER by_generation AS hash_before
            FROM laurel.promotion_ledger
            WHERE model_name = model
            WINDOW by_generation AS (ORDER BY generation)
        ) AS entry
        WHERE generation <> place
            OR previous_hash <> hash_before
            OR hash <> encode(sha256(convert_to(content, 'UTF8')), 'hex')
            OR (model_name, generation::text, version::text, cause, previous_hash) IS DISTINCT FROM (
                said ->> 'model_name', said ->> 'generation', said ->> 'version', said ->> 'cause',
                said ->> 'previous_hash')
        UNION ALL
        SELECT generation FROM laurel.outbox
        WHERE key = model AND generation IS NOT NULL
            AND generation NOT IN (SELECT generation FROM laurel.promotion_ledger WHERE model_name = model)
    ) AS found
$$;
"""

LEDGER_GUARDS = """
CREATE FUNCTION laurel.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of the promotion ledger is refused: it is only ever added to', TG_OP
        USING ERRCODE = 'LA001';
END $$;
CREATE TRIGGER only_ever_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON laurel.promotion_ledger
    FOR EACH STATEMENT EXECUTE FUNCTION laurel.refuse_change();

-- A generation that exists is left to the primary key, which also decides between two at the same moment.
CREATE FUNCTION laurel.require_sound_chain() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head_generation bigint;
    head_hash text;
    broken bigint := laurel.first_broken_generation(NEW.model_name);
BEGIN
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'the promotion ledger of % is broken at generation %', NEW.model_name, broken
            USING ERRCODE = 'LA002';
    END IF;
    SELECT generation, hash INTO head_generation, head_hash FROM laurel.promotion_ledger
        WHERE model_name = NEW.model_name ORDER BY generation DESC LIMIT 1;
    IF NEW.generation > coalesce(head_generation, 0) + 1
        OR NEW.hash <> encode(sha256(convert_to(NEW.content, 'UTF8')), 'hex')
        OR (NEW.generation = coalesce(head_generation, 0) + 1
            AND NEW.previous_hash <> coalesce(head_hash, repeat('0', 64)))
    THEN
        RAISE EXCEPTION 'generation % of % does not follow generation %',
            NEW.generation, NEW.model_name, coalesce(head_generation, 0) USING ERRCODE = 'LA003';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sound_chain BEFORE INSERT ON laurel.promotion_ledger
    FOR EACH ROW EXECUTE FUNCTION laurel.require_sound_chain();
"""

SMALL_TABLES = """
CREATE TABLE laurel.first_uses (
    model_name text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    digest text NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    used_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (model_name, kind, name)
);
CREATE TABLE laurel.alias_writes (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token text NOT NULL CONSTRAINT one_record_per_write UNIQUE,
    model_name text NOT NULL,
    version bigint NOT NULL,
    writer text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at timestamptz
);
CREATE INDEX alias_writes_open ON laurel.alias_writes (model_name, version) WHERE closed_at IS NULL;
"""


def upgrade() -> None:
    for statements in (RUNS, OUTBOX, LEDGER, AUDIT, LEDGER_GUARDS, SMALL_TABLES):
        op.execute(statements)
