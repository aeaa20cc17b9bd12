"""The proof by faults: real servers, real workers, real kills, and the oracle after each."""
