"""The world in containers: `make compose` runs this where a Docker engine answers; `make test` does not."""
