"""What the doors asked for, the variables of the DAG facade, and who was told of what."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DOORS = """
CREATE TABLE laurel.asked_requests (
    model_name text NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    identity_digest text NOT NULL,
    payload text NOT NULL,
    door text NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    unclear_at timestamptz,
    acknowledged_at timestamptz,
    PRIMARY KEY (model_name, request_id)
);
CREATE INDEX asked_by_identity ON laurel.asked_requests (identity_digest, model_name);
CREATE INDEX asked_without_answer ON laurel.asked_requests (model_name, asked_at)
    WHERE acknowledged_at IS NULL;

CREATE TABLE laurel.variables (
    model_name text NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    description text,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (model_name, key)
);

CREATE TABLE laurel.notifications (
    model_name text NOT NULL,
    event_id text NOT NULL,
    channel text NOT NULL,
    claim_id text NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at timestamptz,
    given_up_at timestamptz,
    PRIMARY KEY (model_name, event_id, channel)
);
"""


def upgrade() -> None:
    op.execute(DOORS)
