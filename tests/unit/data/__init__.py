"""Data: contract, split, files."""
