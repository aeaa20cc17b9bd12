"""MLflow: tracking, registry and artifacts, over its REST API and, in child processes, its library."""
