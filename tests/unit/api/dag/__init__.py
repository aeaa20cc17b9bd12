"""The shapes of the DAG API."""
