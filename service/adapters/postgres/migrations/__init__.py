"""The schema, step by step; `service.adapters.postgres.schema` walks the steps."""
