"""Load on inference servers from outside their processes, and a judge of every answer."""
