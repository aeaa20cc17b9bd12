"""Every replica serves the champion: the reload listener, and what is known of the replicas.

Not here: the replica (`serving`).
"""
