"""Small things that many tests need."""
