"""The folder in which airflow looks for DAGs."""
