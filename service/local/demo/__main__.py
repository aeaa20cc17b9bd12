"""Set the example up where nothing stands yet: `python -m service.local.demo FOLDER`.

What a first try in containers starts from: the folders `FOLDER/config` and `FOLDER/data`. If either holds
anything, both are left as they are: they are somebody's own, or a first try's from before.
"""

import sys
from pathlib import Path

from domain.errors import Stop
from service.lifecycle.preflight import require_roots
from service.local.demo.stage import Stage


def main(folder: Path) -> str:
    """Set up, and say what was done. Raises Stop where it may not write."""
    stage = Stage(folder)
    require_roots({"config": stage.config_root, "data": stage.data_root})
    taken = [str(root) for root in (stage.config_root, stage.data_root) if _holds_anything(root)]
    if taken:
        return f"left as it is: {', '.join(taken)}"
    stage.set_up()
    return f"the example is in {folder}, with {stage.deliver_all_sales()} sales"


def _holds_anything(root: Path) -> bool:
    return any(root.iterdir())


if __name__ == "__main__":
    try:
        sys.stdout.write(main(Path(sys.argv[1])) + "\n")
    except Stop as error:
        sys.exit(error.message)
