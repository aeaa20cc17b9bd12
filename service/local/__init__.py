"""Laurel on one machine: the real servers from wheels, and the demo. The runtime image needs none of it."""
