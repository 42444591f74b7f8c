"""What goes wrong, as one hierarchy: a class for each status code of gRPC."""



class TiffinError(Exception):
    """A call that failed. `code` is gRPC's name of what went wrong, the text is the server's own.

    It is of the class of its code, if there is one, else of this one.
    """

    code: str = "UNKNOWN"

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        #: What the server's log calls the request; None if it never got there.
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Cancelled(TiffinError):
    """The caller gave up."""

    code = "CANCELLED"


class InvalidArgument(TiffinError):
    """An input is missing, or not what it must be."""

    code = "INVALID_ARGUMENT"


class DeadlineExceeded(TiffinError):
    """The time was up before there was an answer."""

    code = "DEADLINE_EXCEEDED"


class NotFound(TiffinError):
    """There is no such service, API, runner or region."""

    code = "NOT_FOUND"


class AlreadyExists(TiffinError):
    """The name is taken."""

    code = "ALREADY_EXISTS"


class PermissionDenied(TiffinError):
    """The token is for something else."""

    code = "PERMISSION_DENIED"


class Unauthenticated(TiffinError):
    """The server wants a token that it knows."""

    code = "UNAUTHENTICATED"


class ResourceExhausted(TiffinError):
    """A queue or a memory is full, or a message too large."""

    code = "RESOURCE_EXHAUSTED"


class FailedPrecondition(TiffinError):
    """The server is not in a state to do it."""

    code = "FAILED_PRECONDITION"


class Unimplemented(TiffinError):
    """The server doesn't do such a thing."""

    code = "UNIMPLEMENTED"


class Internal(TiffinError):
    """A fault of the server's, or of a model's."""

    code = "INTERNAL"


class Unavailable(TiffinError):
    """The server can't be reached, or a worker is gone; another attempt may succeed."""

    code = "UNAVAILABLE"


class ModelError(Exception):
    """A model that can't be brought into the store: the text says why, and the fix."""


_BY_CODE: dict[str, type[TiffinError]] = {kind.code: kind for kind in TiffinError.__subclasses__()}


def of_code(code: str, message: str, request_id: str | None = None) -> TiffinError:
    """The error that a status code stands for."""
    kind = _BY_CODE.get(code)
    if kind is not None:
        return kind(message, request_id=request_id)
    other = TiffinError(message, request_id=request_id)
    other.code = code
    return other
