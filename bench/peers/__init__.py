"""`make bench-peers`: Laurel, a bare script, kedro, dagster and airflow train the same models, in turn."""
