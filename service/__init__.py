"""The world: adapters, the runner, the roles and the one composition root."""
