"""MLflow's adapters on a real server, behind a proxy that does harm."""
