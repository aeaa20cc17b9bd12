"""DVC on real caches and remotes, amid faults."""
