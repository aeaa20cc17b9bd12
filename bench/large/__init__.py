"""What is measured at sizes that take minutes: `make bench-large`."""
