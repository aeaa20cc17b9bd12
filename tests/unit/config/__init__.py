"""Configuration: YAML, families, compatibility."""
