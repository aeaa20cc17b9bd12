"""`make bench`: Laurel beside a bare script in one run, as ratios; nothing here is a test."""
