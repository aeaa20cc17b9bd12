"""`make bench-peers`: Laurel, a bare script, kedro, dagster and airflow train the same models, in turn.

All use one MLflow and one PostgreSQL on this machine, the same 20,000 rows and the same libraries. Nothing
here asserts a time. Whoever takes other steps, or ends with another error of the model, ends the bench.
`python -m bench.peers kedro --rounds 3` measures kedro alone beside Laurel and the bare script.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.figures import machine
from bench.flights import read_flights
from bench.peers.contest import Rounds, contest
from bench.peers.pages import plot, table
from bench.peers.rivals import PEERS, Field, require_installed
from bench.processes import servers
from bench.table import write_into

_PROJECT: Final = Path(__file__).parents[2]
_RESULT: Final = _PROJECT / "build" / "bench" / "peers.json"
_PICTURE: Final = "peers.png"
_ALT: Final = "Seconds from the request to the promoted model, for each way to train"


def main() -> None:
    """Measure, print, and write down."""
    options = _options()
    require_installed(options.peers)
    rounds = _earlier() if options.add else Rounds()
    try:
        if options.rounds:
            measure(options.peers, options.rounds, rounds)
    except KeyboardInterrupt:
        say("interrupted; rounds that had ended are kept, and --add goes on with them")
        raise SystemExit(130) from None
    often, loads = len(rounds.loads), f"{min(rounds.loads):.1f} to {max(rounds.loads):.1f}"
    said = f"`make bench-peers` on {machine()}; rounds: {often}; load average as they began: {loads}."
    text = "\n".join([*table(rounds), "", said])
    sys.stdout.write(f"\n{text}\n")
    picture = plot(rounds)
    _RESULT.with_name(_PICTURE).write_bytes(picture)
    if options.write:
        docs = _PROJECT / "docs"
        (docs / _PICTURE).write_bytes(picture)
        write_into(docs / "performance.md", f"{text}\n\n![{_ALT}]({_PICTURE})", "bench-peers")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"of {', '.join(PEERS)}; all if none")
    parser.add_argument("--rounds", type=int, default=5, help="trainings of each, after one to warm up")
    parser.add_argument("--add", action="store_true", help="go on with the rounds of the last run")
    parser.add_argument(
        "--write", action="store_true", help="put table and plot into docs/performance.md and docs/peers.png"
    )
    options = parser.parse_args()
    if unknown := set(options.peers) - set(PEERS):
        parser.error(f"there is no peer {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    if options.rounds < (0 if options.add else 1):
        parser.error("--rounds must be 1 or more; with --add, 0 shows what was measured")
    options.peers = [peer for peer in PEERS if peer in (options.peers or PEERS)]
    return options


def _earlier() -> Rounds:
    if not _RESULT.exists():
        raise SystemExit(f"there are no rounds to go on with: {_RESULT} is not there")
    return Rounds(**json.loads(_RESULT.read_text()))


def measure(peers: Sequence[str], count: int, rounds: Rounds) -> None:
    """Start the servers, and let all train; each round is kept as it ends."""
    _RESULT.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="laurel-bench-") as folder:
        say("starting Kafka, PostgreSQL and MLflow")
        with servers(Path(folder) / "servers") as addresses:
            field = Field(Path(folder), addresses, read_flights(), say)
            asyncio.run(_measure(field, peers, count, rounds))


async def _measure(field: Field, peers: Sequence[str], count: int, rounds: Rounds) -> None:
    async with field.rivals(peers) as rivals:
        load = os.getloadavg()[0]
        async for seconds in contest(rivals, count, say):
            rounds.add(seconds, load)
            _RESULT.write_text(json.dumps(vars(rounds), indent=2) + "\n")
            load = os.getloadavg()[0]


def say(what: str) -> None:
    """Tell a person who waits what is being measured."""
    sys.stderr.write(f"bench: {what}\n")


if __name__ == "__main__":
    main()
