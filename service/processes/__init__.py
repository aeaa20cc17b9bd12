"""Warm child processes: heavy work that can be killed with its whole group and dies with the worker."""
