"""Found in the place of any other."""
