"""The command line on the real servers."""
