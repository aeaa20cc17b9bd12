"""The real servers on this machine, from Python wheels: Kafka, PostgreSQL and MLflow, owned by one process."""
