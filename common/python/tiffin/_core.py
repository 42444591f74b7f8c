"""What both clients do, without doing it: each function is a generator that yields the RPCs that it
wants, is sent their answers, and returns its result. So there is one code for threads and
asyncio; the clients are what drives it.
"""

import dataclasses
import time
from collections.abc import Generator, Mapping
from typing import Any

from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from tiffin import _infer, _reflection, _typed
from tiffin.errors import InvalidArgument, NotFound, Unavailable, Unimplemented
from tiffin.info import ModelInfo
from tiffin.reply import Reply
from tiffin.shared import SharedArray
from tiffin.timing import Timing

KSERVE = "inference.GRPCInferenceService"
REQUEST_ID = "x-request-id"
TIMING = "tiffin-timing"

Metadata = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class CallOptions:
    """What goes with a call, besides its inputs."""

    timeout: float | None = None
    request_id: str | None = None
    timing: bool = False
    # The token is there too.
    metadata: Metadata = dataclasses.field(default=(), repr=False)

    def all_metadata(self) -> Metadata:
        """With what the other options come to."""
        own: Metadata = ()
        if self.request_id is not None:
            own += ((REQUEST_ID, self.request_id),)
        if self.timing:
            own += ((TIMING, "1"),)
        return own + self.metadata


@dataclasses.dataclass(frozen=True)
class Rpc:
    """One to be made. `timeout` is in seconds, None for none."""

    path: str
    request: bytes
    timeout: float | None
    metadata: Metadata = ()
    # One message each way all the same.
    is_stream: bool = False


@dataclasses.dataclass(frozen=True)
class Answer:
    """That of an RPC which succeeded; of others the error is thrown into the generator."""

    content: bytes
    trailers: Mapping[str, str]


class Deadline:
    """Counts a timeout down over several RPCs."""

    def __init__(self, timeout: float | None) -> None:
        self._end = None if timeout is None else time.monotonic() + timeout

    def left(self) -> float | None:
        """In seconds, as gRPC wants it."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())


class Core:
    """Knows what it has learnt of a server. Used by several threads at the same time: all that is
    kept is replaced whole, and may be learnt twice."""

    def __init__(self) -> None:
        self._services: dict[str, _reflection.Methods] = {}
        self._models: dict[str, ModelInfo] = {}

    # What the server has.

    def services(self, options: CallOptions) -> Generator[Rpc, Answer, list[str]]:
        """Names of services."""
        answer = yield Rpc(_reflection.PATH, _reflection.ask_for_services(), options.timeout,
                           options.metadata, is_stream=True)
        return _reflection.services_in(answer.content)

    def models(self, options: CallOptions) -> Generator[Rpc, Answer, list[ModelInfo]]:
        """APIs, runners and methods."""
        deadline = Deadline(options.timeout)
        index = yield from self._kserve("RepositoryIndex", {}, deadline, options)
        models = []
        for entry in index.models:
            model = yield from self._learn_model(entry.name, deadline, options)
            models.append(dataclasses.replace(model, ready=entry.state == "READY"))
        return models

    def model(self, name: str, options: CallOptions) -> Generator[Rpc, Answer, ModelInfo]:
        """One of them."""
        deadline = Deadline(options.timeout)
        model = yield from self._learn_model(name, deadline, options)
        answer = yield from self._kserve("ModelReady", {"name": name}, deadline, options)
        return dataclasses.replace(model, ready=answer.ready)

    def ready(self, service: str, options: CallOptions) -> Generator[Rpc, Answer, bool]:
        """Health. A server that can't be reached isn't ready."""
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            answer = yield Rpc("/grpc.health.v1.Health/Check", request.SerializeToString(),
                               options.timeout, options.metadata)
        except Unavailable:
            return False
        response = health_pb2.HealthCheckResponse.FromString(answer.content)
        return bool(response.status == health_pb2.HealthCheckResponse.SERVING)

    # Calls.

    def call(self, api: str, inputs: Mapping[str, Any],
             options: CallOptions) -> Generator[Rpc, Answer, Reply]:
        """An API by its typed form."""
        service, separator, name = api.partition(".")
        if not separator or "." in name:
            raise InvalidArgument(
                f"'{api}' is no API; write SERVICE.API, as in 'sentiment_analysis.classify'")
        deadline = Deadline(options.timeout)
        method = yield from self._method(service, name, inputs, deadline, options)
        datatypes: dict[str, str] = {}
        if _typed.needs_datatypes(method.request, inputs):
            model = yield from self._known_model(api, deadline, options)
            datatypes = {tensor.name: tensor.datatype for tensor in model.inputs}
        request = _typed.encode(method.request, api, inputs, datatypes)
        try:
            answer = yield Rpc(method.path, request.SerializeToString(), deadline.left(),
                               options.all_metadata())
        except (Unavailable, Unimplemented):
            self.forget()
            raise
        reply = method.reply.FromString(answer.content)
        return _reply(_typed.decode(reply), answer)

    def infer(self, model: str, inputs: Mapping[str, Any],
              outputs: Mapping[str, SharedArray | None],
              options: CallOptions) -> Generator[Rpc, Answer, Reply]:
        """An API, a runner or its method by KServe v2."""
        deadline = Deadline(options.timeout)
        info = None
        if any(_infer.needs_info(value) for value in inputs.values()):
            info = yield from self._known_model(model, deadline, options)
        method = yield from self._kserve_method("ModelInfer", deadline, options)
        request = _infer.encode(method.request, model, inputs, outputs, info)
        try:
            answer = yield Rpc(method.path, request.SerializeToString(), deadline.left(),
                               options.all_metadata())
        except Unavailable:
            self.forget()
            raise
        response = method.reply.FromString(answer.content)
        return _reply(_infer.decode(response, outputs), answer)

    def register(self, shared: SharedArray, options: CallOptions) -> Generator[Rpc, Answer, None]:
        """Client shared memory."""
        region = {"name": shared.name, "key": shared.key, "byte_size": shared.array.nbytes}
        yield from self._kserve("SystemSharedMemoryRegister", region, Deadline(options.timeout),
                                options)

    def unregister(self, shared: SharedArray,
                   options: CallOptions) -> Generator[Rpc, Answer, None]:
        """Client shared memory. With the server the region is gone as well."""
        try:
            yield from self._kserve("SystemSharedMemoryUnregister", {"name": shared.name},
                                    Deadline(options.timeout), options)
        except (NotFound, Unavailable):
            pass

    # Learning.

    def forget(self) -> None:
        """The next server at this address may have other services."""
        self._services = {}
        self._models = {}

    def _method(self, service: str, api: str, inputs: Mapping[str, Any], deadline: Deadline,
                options: CallOptions) -> Generator[Rpc, Answer, _reflection.Method]:
        """What is not in what was learnt before may be new."""
        known = self._services.get(service)
        if known is not None:
            method = known.by_name.get(_reflection.camel_case(api))
            if method is not None and not _typed.unknown_inputs(method.request, inputs):
                return method
        self._models.pop(f"{service}.{api}", None)
        full_name = f"{_reflection.PACKAGE}{service}.{_reflection.camel_case(service)}"
        methods = yield from self._learn_service(full_name, deadline, options)
        if methods is None:
            answer = yield Rpc(_reflection.PATH, _reflection.ask_for_services(), deadline.left(),
                               options.metadata, is_stream=True)
            have = _reflection.services_in(answer.content)
            raise NotFound(f"the server has no service '{service}' (it has {', '.join(have)})")
        self._services = {**self._services, service: methods}
        method = methods.by_name.get(_reflection.camel_case(api))
        if method is None:
            apis = ", ".join(_reflection.snake_case(name) for name in methods.by_name)
            raise NotFound(f"service '{service}' has no API '{api}' (it has {apis})")
        return method

    def _learn_service(
            self, full_name: str, deadline: Deadline,
            options: CallOptions) -> Generator[Rpc, Answer, _reflection.Methods | None]:
        answer = yield Rpc(_reflection.PATH, _reflection.ask_for_symbol(full_name), deadline.left(),
                           options.metadata, is_stream=True)
        return _reflection.methods_in(answer.content, full_name)

    def _known_model(self, name: str, deadline: Deadline,
                     options: CallOptions) -> Generator[Rpc, Answer, ModelInfo]:
        known = self._models.get(name)
        if known is None:
            known = yield from self._learn_model(name, deadline, options)
        return known

    def _learn_model(self, name: str, deadline: Deadline,
                     options: CallOptions) -> Generator[Rpc, Answer, ModelInfo]:
        metadata = yield from self._kserve("ModelMetadata", {"name": name}, deadline, options)
        model = ModelInfo.of(metadata)
        self._models = {**self._models, name: model}
        return model

    # KServe v2.

    def _kserve_method(self, name: str, deadline: Deadline,
                       options: CallOptions) -> Generator[Rpc, Answer, _reflection.Method]:
        methods = self._services.get(KSERVE)
        if methods is None:
            methods = yield from self._learn_service(KSERVE, deadline, options)
            if methods is None:
                raise Unimplemented("the server doesn't speak KServe v2; is it Tiffin's?")
            self._services = {**self._services, KSERVE: methods}
        return methods.by_name[name]

    def _kserve(self, name: str, fields: Mapping[str, Any], deadline: Deadline,
                options: CallOptions) -> Generator[Rpc, Answer, Any]:
        method = yield from self._kserve_method(name, deadline, options)
        request: Message = method.request(**fields)
        answer = yield Rpc(method.path, request.SerializeToString(), deadline.left(),
                           options.metadata)
        return method.reply.FromString(answer.content)


def _reply(outputs: Mapping[str, Any], answer: Answer) -> Reply:
    timing = answer.trailers.get(TIMING)
    return Reply(outputs, answer.trailers.get(REQUEST_ID),
                 None if timing is None else Timing.parse(timing))

