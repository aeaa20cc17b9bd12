"""The training of a model as one would write it by hand, in six steps that any tool can call.

It computes what Laurel computes and asks MLflow and DVC for the same: contract check, split, versioning with
a push, fit, both models' scores on the same reference, registration, alias, YAML. What it leaves out is what
Laurel is for: it survives no crash, writes no file atomically, and believes what it is told.

Each file imports what its own steps need, and nothing of Laurel: a tool that runs each step in a process of
its own pays for no other's imports.
"""
