"""Version one split again and again in a process of its own: `versioner.py DATA_ROOT RUN_ID ROUNDS`.

It says "ready" when DVC is loaded, waits for a line, and prints one line of JSON per round.
"""

import json
import sys
from pathlib import Path

from service.tasks.version import version
from tests.split_on_disk import split_on_disk


def main() -> None:
    data_root, run_id, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    parts = split_on_disk(data_root, run_id).model_dump(mode="json")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for _ in range(rounds):
        hashes = version(
            run_id=run_id,
            parts=parts,
            workspace_folder=str(data_root / "runs" / run_id / "dvc"),
            cache_folder=str(data_root / "cache"),
            remote_url=str(data_root / "remote"),
        )
        sys.stdout.write(json.dumps(hashes["files"]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
