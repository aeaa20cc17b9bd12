"""What more rows cost: measured by hand, never by `make test`."""
