"""PostgreSQL: the run store, the outbox, the promotion ledger and what else must outlive a process."""
