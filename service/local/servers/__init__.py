"""The real servers on this machine, from wheels: Kafka, PostgreSQL and MLflow, owned by one process."""
