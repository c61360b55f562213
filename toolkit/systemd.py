"""Telling systemd how far the process is (sd_notify(3))."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from twisted.logger import Logger

_log = Logger()


def notify(environment: Mapping[str, str], state: str) -> bool:
    """Send a line such as `READY=1` to the socket that systemd named, if it named one.

    Args:
        environment: `os.environ`; its NOTIFY_SOCKET is a path, or with `@` an abstract name.
        state: The line.

    Returns:
        Whether it was sent. That it could not be is logged; it never stops the process.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto(state.encode(), address)
    except OSError as error:
        _log.warn("could not tell systemd {state}: {error}", state=state, error=str(error))
        return False
    return True
