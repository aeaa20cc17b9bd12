"""What is true about a model's life: pure decisions, no I/O and no vendor."""
