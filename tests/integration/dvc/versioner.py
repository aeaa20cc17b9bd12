"""Version one split again and again in a process of its own: `versioner.py DATA_ROOT RUN_ID ROUNDS`.

It says "ready" when DVC is loaded, waits for a line, and prints one line of JSON per round.
"""

import json
import sys
from pathlib import Path

from service.lifecycle.steps.jobs import VersionJob
from service.lifecycle.steps.version_job import version
from tests.worlds.split_on_disk import split_on_disk


def main() -> None:
    data_root, run_id, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    job = VersionJob(
        parts=split_on_disk(data_root, run_id),
        workspace=data_root / "runs" / run_id / "dvc",
        cache=data_root / "cache",
        remote_url=str(data_root / "remote"),
    )
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for _ in range(rounds):
        sys.stdout.write(json.dumps(dict(version(job).files)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
