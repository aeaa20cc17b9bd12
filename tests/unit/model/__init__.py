"""From bytes to a fitted model and back."""
