"""Whole lifecycles on the real servers."""
