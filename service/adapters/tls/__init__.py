"""TLS as a client: whom every connection of ours trusts, who we are, and why one is not trusted."""
