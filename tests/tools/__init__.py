"""Generators of what the documents show."""
