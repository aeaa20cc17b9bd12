"""Files on a local or mounted disk: whole or not at all."""
