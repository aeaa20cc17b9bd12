"""Which DVC remote a model's data was pushed to: another store at the same address is another remote."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

REMOTES = """
CREATE TABLE laurel.remotes (
    model_name text NOT NULL,
    address text NOT NULL,
    remote_id text NOT NULL,
    first_used_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    marked_at timestamptz,
    PRIMARY KEY (model_name, address)
);
"""


def upgrade() -> None:
    op.execute(REMOTES)
