"""The life of one run: the worker, its runner, steps, lease and retries.

Not here: who is champion (`promotion`), and how models are built and kept (`models`).
"""
