"""The types of a server's services, as it describes them itself."""

import dataclasses
import re
from collections.abc import Iterable
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from grpc_reflection.v1alpha import reflection_pb2

from tiffin.errors import TiffinError, of_code

PATH = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
PACKAGE = "tiffin.services."
_NOT_FOUND = 5
_CODES = {3: "INVALID_ARGUMENT", _NOT_FOUND: "NOT_FOUND", 12: "UNIMPLEMENTED", 13: "INTERNAL"}


@dataclasses.dataclass(frozen=True)
class Method:
    """A unary RPC with its messages."""

    path: str
    request: type[Message]
    reply: type[Message]


@dataclasses.dataclass(frozen=True)
class Methods:
    """The RPCs of one service, by their names in it."""

    by_name: dict[str, Method]


def ask_for_symbol(symbol: str) -> bytes:
    """The question for the file that defines a symbol, and those that it needs."""
    return _bytes(reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol))


def ask_for_services() -> bytes:
    """The question for the names of all services."""
    return _bytes(reflection_pb2.ServerReflectionRequest(list_services="*"))


def methods_in(answer: bytes, service: str) -> Methods | None:
    """The RPCs of a service by the answer to `ask_for_symbol`; None if the server has none of that
    name."""
    response = reflection_pb2.ServerReflectionResponse.FromString(answer)
    if _error(response) == _NOT_FOUND:
        return None
    pool = _pool(response.file_descriptor_response.file_descriptor_proto)
    descriptor: Any = pool.FindServiceByName(service)
    return Methods({
        method.name: Method(
            f"/{service}/{method.name}", message_factory.GetMessageClass(method.input_type),
            message_factory.GetMessageClass(method.output_type))
        for method in descriptor.methods})


def services_in(answer: bytes) -> list[str]:
    """The names of the service files' services by the answer to `ask_for_services`."""
    response = reflection_pb2.ServerReflectionResponse.FromString(answer)
    _error(response)
    names = [service.name for service in response.list_services_response.service]
    return sorted(name.removeprefix(PACKAGE).split(".")[0]
                  for name in names if name.startswith(PACKAGE))


def camel_case(name: str) -> str:
    """As the typed API calls a service or an api."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def snake_case(name: str) -> str:
    """A name of which camel_case makes `name`."""
    return re.sub("(?<!^)([A-Z])", r"_\1", name).lower()


def _bytes(message: Message) -> bytes:
    return message.SerializeToString()


def _error(response: Any) -> int:
    """0, or the code of "there is no such thing"; other errors are raised."""
    if response.WhichOneof("message_response") != "error_response":
        return 0
    error = response.error_response
    if error.error_code == _NOT_FOUND:
        return _NOT_FOUND
    raise _translated(error)


def _translated(error: Any) -> TiffinError:
    return of_code(_CODES.get(error.error_code, "UNKNOWN"), error.error_message)


def _pool(serialized: Iterable[bytes]) -> descriptor_pool.DescriptorPool:
    """A pool of its own, which knows nothing of the files that the program has compiled in."""
    files = {}
    for content in serialized:
        file = descriptor_pb2.FileDescriptorProto.FromString(content)
        files[file.name] = file
    pool = descriptor_pool.DescriptorPool()
    added: set[str] = set()

    def add(name: str) -> None:
        if name in added:
            return
        added.add(name)
        for needed in files[name].dependency:
            add(needed)
        pool.AddSerializedFile(files[name].SerializeToString())

    for name in files:
        add(name)
    return pool
