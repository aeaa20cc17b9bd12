"""One file for each event that comes in: parse, ask the domain, call a port."""
