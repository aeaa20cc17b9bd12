"""Signatures, by the library `cryptography`."""
