"""The command line without servers: what it says, and how it ends."""
