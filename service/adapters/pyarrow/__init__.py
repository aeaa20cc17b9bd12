"""Datasets for learning: read from Parquet bytes that were checked first."""
