"""`make bench-large`: masters, histories and whatever else is large, measured in one run."""
