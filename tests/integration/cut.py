"""Cuts the connections between a gateway and its workers, with both of them alive."""

import contextlib
import ctypes
import os
import socket

SYS_PIDFD_GETFD = 438

_libc = ctypes.CDLL(None, use_errno=True)


def _duplicate(pidfd, number):
    """Descriptor `number` of another process, which one may debug, as a socket of ours."""
    copy = _libc.syscall(SYS_PIDFD_GETFD, pidfd, number, 0)
    if copy < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise


@contextlib.contextmanager
def _sockets_to(pid, path):
    """The process's connections to what listens at `path`."""
    found = []
    pidfd = os.pidfd_open(pid)
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError, OSError):
                if not os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:"):
                    continue
                copy = _duplicate(pidfd, int(fd))
                if copy.family == socket.AF_UNIX and copy.getpeername() == path:
                    found.append(copy)
                else:
                    copy.close()
        yield found
    finally:
        os.close(pidfd)
        for copy in found:
            copy.close()


def cut(server, worker, which):
    """Shuts the gateway's connections with a worker down: `which` is "stream" (gRPC's) or "socket"
    (that of descriptors, and of the express lane). How many there were."""
    path = worker.option("--listen").removeprefix("unix:") + {"stream": "", "socket": ".fd"}[which]
    with _sockets_to(server.pid, path) as connections:
        for connection in connections:
            with contextlib.suppress(OSError):  # It may have ended meanwhile.
                connection.shutdown(socket.SHUT_RDWR)
        return len(connections)
