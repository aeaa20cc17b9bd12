"""The bare script: the six steps of `bench.steps`, one after the other in one process.

python -m bench.bare FOLDER TRACKING_URI NAME [MODEL_VERSION]
"""

from bench.steps.answers import answer
from bench.steps.order import call_all

if __name__ == "__main__":
    answer(call_all)
