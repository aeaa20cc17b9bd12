"""Stand-ins for the ports: they behave as the real adapters do, in memory."""
