"""TCP ports of this machine's loopback interface."""

from __future__ import annotations

import random
import socket

LOOPBACK = "127.0.0.1"
FREE_PORTS = range(20_000, 32_000)
"""Below the ones that the kernel gives to outgoing connections, which could otherwise take a server's port."""


class PortInUse(Exception):
    """Somebody else listens where the web page should be."""


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port(*preferred: int | None) -> int:
    """The first preferred port that is free, else any. It stays free only by luck: start the server soon."""
    for port in preferred:
        if port and is_free(port):
            return port
    return next(port for port in random.sample(FREE_PORTS, len(FREE_PORTS)) if is_free(port))


def listen(port: int) -> socket.socket:
    """Takes the port: who connects from now on waits until a server accepts. Raises PortInUse."""
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError:
        raise PortInUse(
            f"port {port} is in use by another program. Stop it, or choose another one: PORT=8001 make run"
        ) from None
