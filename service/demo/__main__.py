"""Set the example up where nothing stands yet: `python -m service.demo FOLDER`.

What a first try in containers starts from: `FOLDER/config` and `FOLDER/data`. If either holds anything, both are
left as they are: they are somebody's own, or a first try's from before.
"""

import sys
from pathlib import Path

from service.demo.stage import Stage


def main(folder: Path) -> str:
    """Set up, and say what was done."""
    stage = Stage(folder)
    taken = [str(root) for root in (stage.config_root, stage.data_root) if _holds_anything(root)]
    if taken:
        return f"left as it is: {', '.join(taken)}"
    stage.set_up()
    return f"the example stands in {folder}, with {stage.deliver_all_sales()} sales"


def _holds_anything(root: Path) -> bool:
    return root.exists() and any(root.iterdir())


if __name__ == "__main__":
    sys.stdout.write(main(Path(sys.argv[1])) + "\n")
