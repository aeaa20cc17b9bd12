"""What every process has: clock, logs, metrics, health, HTTP server, a role's start and end.

Not here: anything of a model's life.
"""
