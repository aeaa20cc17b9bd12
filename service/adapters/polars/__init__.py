"""The data engine: inspecting, checking and splitting parquet files. Only this folder knows polars."""
