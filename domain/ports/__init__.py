"""What the domain and the handlers ask of the world, in their own words; one port per file."""
