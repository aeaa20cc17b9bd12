"""Alembic's part: which versions of the schema there are, and the steps from one to the next.

Imported only when there is something to migrate or to explain: a start on a current schema does without it.
"""

import logging
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

_SCRIPTS: Final = Path(__file__).with_name("migrations")


def known_versions() -> list[str]:
    """Every version, the newest first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]


def migrate(connection: Connection, to: str = "head") -> None:
    """Take every step to a version, the newest by default, within the connection's transaction."""
    logging.getLogger("alembic").setLevel(logging.WARNING)  # each step, which nobody asked for
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
