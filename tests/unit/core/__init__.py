"""The core of the worker on fakes, with time passed in."""
