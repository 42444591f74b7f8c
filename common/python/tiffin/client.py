"""A client for programs with threads, or without; see `tiffin.aio` for asyncio."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import grpc

from tiffin._base import ClientBase, Outputs, Service, places_of, trailers_of, translated
from tiffin._connection import Connection
from tiffin._core import Answer, Rpc
from tiffin.errors import TiffinError
from tiffin.info import ModelInfo
from tiffin.reply import Reply
from tiffin.shared import SharedArray

T = TypeVar("T")


class Client(ClientBase):
    """Calls a server's APIs and runners, whose types it learns from the server itself.

    Any number of threads may use it at the same time. It is a context manager; leaving it, or
    `close()`, ends the connection.
    """

    def _open(self, connection: Connection) -> None:
        options = connection.channel_options()
        if connection.secure:
            self._channel = grpc.secure_channel(
                connection.address, connection.credentials(), options)
        else:
            self._channel = grpc.insecure_channel(connection.address, options)

    def close(self) -> None:
        """Ends the connection, and the calls that are under way."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def service(self, name: str) -> Service[Reply]:
        """The APIs of a service as methods."""
        return Service(self.call, name)

    def call(self, api: str, /, **inputs: Any) -> Reply:
        """Calls an API, "SERVICE.API", by its typed form.

        An image or bytes are `bytes`, or the path of a file as a `pathlib.Path`; a text is a `str`;
        json anything that has a JSON form; a tensor a numpy array, a torch tensor, or nested lists.
        An API with rows takes an array whose first dimension they are, and a list of the others.
        """
        return self._run(self._core.call(api, inputs, self._options))

    def infer(self, model: str, inputs: Mapping[str, Any], outputs: Outputs | None = None) -> Reply:
        """Calls an API, a runner, "SERVICE.RUNNER", or its method by KServe v2.

        Inputs are arrays, of any kind that `call` takes, or SharedArrays; `str`, `bytes` and paths
        are one element of BYTES. `outputs` are those that are wanted, all of them by default, and
        as a mapping also where each of them goes: to a SharedArray, or None.
        """
        return self._run(self._core.infer(model, inputs, places_of(outputs), self._options))

    def services(self) -> list[str]:
        """The names of the services."""
        return self._run(self._core.services(self._options))

    def models(self) -> list[ModelInfo]:
        """All that `infer` can call."""
        return self._run(self._core.models(self._options))

    def model(self, name: str) -> ModelInfo:
        """One of them."""
        return self._run(self._core.model(name, self._options))

    def ready(self, service: str = "") -> bool:
        """True if the service, or without a name every one, is served now."""
        return self._run(self._core.ready(service, self._options))

    @contextmanager
    def share(self, array: Any) -> Iterator[SharedArray]:
        """A copy of an array in memory that the server, on the same machine and started with
        --client-shared-memory, reads itself: `with client.share(array) as shared:`."""
        shared = SharedArray(array)
        try:
            self._run(self._core.register(shared, self._options))
        finally:
            shared.unlink()
        try:
            yield shared
        finally:
            self._run(self._core.unregister(shared, self._options))

    def _is_connected(self) -> bool:
        # Only gRPC's asyncio has this in public; without it a new server is noticed by errors.
        check = getattr(getattr(self._channel, "_channel", None), "check_connectivity_state", None)
        return check is None or check(False) == grpc.ChannelConnectivity.READY.value[0]

    def _run(self, steps: Generator[Rpc, Answer, T]) -> T:
        """Makes the RPCs that `steps` asks for."""
        if not self._is_connected():
            self._core.forget()
        try:
            rpc = next(steps)
            while True:
                made = self._make(rpc)
                rpc = steps.send(made) if isinstance(made, Answer) else steps.throw(made)
        except StopIteration as end:
            result: T = end.value
            return result

    def _make(self, rpc: Rpc) -> Answer | TiffinError:
        try:
            return self._answer(rpc)
        except grpc.RpcError as error:
            return translated(error)

    def _answer(self, rpc: Rpc) -> Answer:
        if rpc.is_stream:
            # Bytes in, bytes out, as no one says how to make messages of them.
            asked: grpc.StreamStreamMultiCallable[bytes, bytes] = self._channel.stream_stream(
                rpc.path)
            stream = asked(iter([rpc.request]), timeout=rpc.timeout, metadata=rpc.metadata)
            (content,) = stream
            return Answer(content, trailers_of(stream.trailing_metadata()))
        method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(rpc.path)
        content, call = method.with_call(
            rpc.request, timeout=rpc.timeout, metadata=rpc.metadata)
        return Answer(content, trailers_of(call.trailing_metadata()))

