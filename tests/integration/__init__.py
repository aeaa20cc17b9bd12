"""Adapters and servers on the real thing."""
