"""The processes that work say that they live."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# One row for each living process; what it has in hand stands in the runs themselves.
HEARTBEATS = """
CREATE TABLE laurel.heartbeats (
    process_id text PRIMARY KEY,
    role text NOT NULL,
    name text NOT NULL,
    model_name text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    laurel_version text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    beat_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
"""


def upgrade() -> None:
    op.execute(HEARTBEATS)
