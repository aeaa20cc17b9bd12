"""The model package: build, verify, load, keep in memory, fetch, upload.

Not here: the estimators (`adapters.sklearn`), and serving.
"""
