"""Ports for servers that have to be told one."""

from __future__ import annotations

import random
import socket

BEYOND_THE_KERNELS_CHOICE = (20_000, 32_000)
"""Linux chooses above these for whoever asks for any port, as all other tests do."""


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody has, nor comes to have before it is listened on."""
    while True:
        port = random.SystemRandom().randrange(*BEYOND_THE_KERNELS_CHOICE)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
