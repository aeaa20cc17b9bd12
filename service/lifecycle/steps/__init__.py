"""The steps of a run. `<verb>.py` is what the worker awaits; `<verb>_job.py` runs in a child process."""
