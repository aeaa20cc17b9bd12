"""The process that matches texts against one pattern: each within a limit of its own time, or it ends.

A line of JSON holds the pattern and the seconds; each further one texts, null for one that is too long. A
digit is written for each text. It imports nothing of Laurel, so it starts in a moment.
"""

import json
import os
import re
import signal
import sys


def main() -> None:
    """Answer until the other side is gone."""
    lines = sys.stdin.buffer
    pattern, seconds = json.loads(lines.readline())
    between = 10 * seconds  # for what is read and compiled
    signal.setitimer(signal.ITIMER_VIRTUAL, between)
    matches = re.compile(pattern).fullmatch
    for line in lines:
        for text in json.loads(line):
            signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
            os.write(1, b"1" if text is not None and matches(text) else b"0")
        signal.setitimer(signal.ITIMER_VIRTUAL, between)


if __name__ == "__main__":
    main()
