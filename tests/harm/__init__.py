"""What does harm on purpose: proxies, floods, poolers, bad records, time that a test sets."""
