"""Tiffin for Python: what runners are written with."""

from tiffin.errors import (
    AlreadyExists,
    Cancelled,
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    TiffinError,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from tiffin.runner import Context, Image, Json, context, empty, method

__all__ = [
    "AlreadyExists",
    "Cancelled",
    "Context",
    "DeadlineExceeded",
    "FailedPrecondition",
    "Image",
    "Internal",
    "InvalidArgument",
    "Json",
    "NotFound",
    "PermissionDenied",
    "ResourceExhausted",
    "TiffinError",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "context",
    "empty",
    "method",
]
