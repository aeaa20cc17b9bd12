"""The oracle: says what is wrong with a world, in its own words; it imports nothing of the product."""
