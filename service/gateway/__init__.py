"""The HTTP door: requests in, progress out; by Laurel's own routes and by those of an orchestrator."""
