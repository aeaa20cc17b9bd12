"""One question to a broker in Kafka's own protocol: how many brokers it knows of."""

import socket
import struct

from service.local.servers.ports import LOOPBACK

_METADATA, _VERSION = 3, 1
_NO_CLIENT_ID = -1
_NO_TOPICS = 0
_REQUEST = struct.pack(">hhihi", _METADATA, _VERSION, 0, _NO_CLIENT_ID, _NO_TOPICS)
_SIZE = struct.Struct(">i")
_HEAD = struct.Struct(">iii")  # size of the answer, correlation id, number of brokers
_SECONDS = 5


def known_brokers(port: int) -> int:
    """How many brokers serve clients, as the broker on ``port`` has it; 0 if it does not answer.

    A broker that has just started may not yet know of itself, and then sends its clients nowhere.
    """
    try:
        with socket.create_connection((LOOPBACK, port), _SECONDS) as connection:
            connection.sendall(_SIZE.pack(len(_REQUEST)) + _REQUEST)
            with connection.makefile("rb") as answer:
                head = answer.read(_HEAD.size)
    except OSError:
        return 0
    return int(_HEAD.unpack(head)[2]) if len(head) == _HEAD.size else 0
