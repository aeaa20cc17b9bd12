"""One folder per vendor; a vendor is known in its folder alone."""
