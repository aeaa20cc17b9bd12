"""First on the fork parent's import path: what is injected into each Python process stays out of it.

`opentelemetry-instrument` and its like put a folder with a `sitecustomize` there, which starts threads before
anything else happens; and no child would have those threads.
"""
