"""Who is champion: alias and defaults follow the ledger, counterparts are asked, people's moves adopted.

Not here: the gate, which is a step of the lifecycle.
"""
