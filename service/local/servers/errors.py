"""What goes wrong with an embedded server."""


class EmbeddedServerError(Exception):
    """A server of the embedded world cannot start or has ended. The text says what to do."""
