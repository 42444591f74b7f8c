"""Calls a Tiffin server, and puts models into its store.

    import pathlib, tiffin

    with tiffin.Client("127.0.0.1:8001") as client:
        reply = client.service("sentiment_analysis").classify(image=pathlib.Path("note.png"))
        print(reply.text)

`tiffin.AsyncClient` is the same for asyncio, `tiffin.save_model` puts a model into the store.
What is named here is imported when it is first used, so that nobody pays for what he doesn't use.
"""

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

# Stubs that protoc makes of service.proto are packages tiffin.services and tiffin.v1, elsewhere.
__path__ = pkgutil.extend_path(__path__, __name__)

if TYPE_CHECKING:
    from tiffin.aio import AsyncClient as AsyncClient
    from tiffin.client import Client as Client
    from tiffin.errors import AlreadyExists as AlreadyExists
    from tiffin.errors import Cancelled as Cancelled
    from tiffin.errors import DeadlineExceeded as DeadlineExceeded
    from tiffin.errors import FailedPrecondition as FailedPrecondition
    from tiffin.errors import Internal as Internal
    from tiffin.errors import InvalidArgument as InvalidArgument
    from tiffin.errors import ModelError as ModelError
    from tiffin.errors import NotFound as NotFound
    from tiffin.errors import PermissionDenied as PermissionDenied
    from tiffin.errors import ResourceExhausted as ResourceExhausted
    from tiffin.errors import TiffinError as TiffinError
    from tiffin.errors import Unauthenticated as Unauthenticated
    from tiffin.errors import Unavailable as Unavailable
    from tiffin.errors import Unimplemented as Unimplemented
    from tiffin.info import ModelInfo as ModelInfo
    from tiffin.info import TensorInfo as TensorInfo
    from tiffin.reply import Reply as Reply
    from tiffin.saving import save_model as save_model
    from tiffin.runner import Context as Context
    from tiffin.runner import Image as Image
    from tiffin.runner import Json as Json
    from tiffin.runner import context as context
    from tiffin.runner import empty as empty
    from tiffin.runner import method as method
    from tiffin.shared import SharedArray as SharedArray
    from tiffin.store import SavedModel as SavedModel
    from tiffin.store import Store as Store
    from tiffin.timing import StepTiming as StepTiming
    from tiffin.timing import Timing as Timing

# Name -> the module that has it; those above again.
_NAMES = {
    "AsyncClient": "aio",
    "Client": "client",
    "AlreadyExists": "errors",
    "Cancelled": "errors",
    "DeadlineExceeded": "errors",
    "FailedPrecondition": "errors",
    "Internal": "errors",
    "InvalidArgument": "errors",
    "ModelError": "errors",
    "NotFound": "errors",
    "PermissionDenied": "errors",
    "ResourceExhausted": "errors",
    "TiffinError": "errors",
    "Unauthenticated": "errors",
    "Unavailable": "errors",
    "Unimplemented": "errors",
    "ModelInfo": "info",
    "TensorInfo": "info",
    "Reply": "reply",
    "save_model": "saving",
    "Context": "runner",
    "Image": "runner",
    "Json": "runner",
    "context": "runner",
    "empty": "runner",
    "method": "runner",
    "SharedArray": "shared",
    "SavedModel": "store",
    "Store": "store",
    "StepTiming": "timing",
    "Timing": "timing",
}
_MODULES = ("aio", "client", "errors", "sklearn", "store", "torch", "transformers", "xgboost")

__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *__all__, *_MODULES]
