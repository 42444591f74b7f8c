"""A client for asyncio."""

from collections.abc import AsyncIterator, Awaitable, Generator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

import grpc
import grpc.aio

from tiffin._base import ClientBase, Outputs, Service, places_of, trailers_of, translated
from tiffin._connection import Connection
from tiffin._core import Answer, Rpc
from tiffin.errors import TiffinError
from tiffin.info import ModelInfo
from tiffin.reply import Reply
from tiffin.shared import SharedArray

T = TypeVar("T")

# Where the server ends a stream while it is written to, grpc.aio may lose the status. Then it is
# asked again: streams are reflection's, which change nothing.
_STATUS_LOST = "Internal error from Core"
_STREAM_ATTEMPTS = 4


class AsyncClient(ClientBase):
    """What `Client` does, to be awaited. Make it in the event loop that uses it:
    `async with tiffin.AsyncClient(...) as client:`. Cancelling a task cancels its call."""

    def _open(self, connection: Connection) -> None:
        options = connection.channel_options()
        if connection.secure:
            self._channel = grpc.aio.secure_channel(
                connection.address, connection.credentials(), options)
        else:
            self._channel = grpc.aio.insecure_channel(connection.address, options)

    async def close(self) -> None:
        """Ends the connection, and the calls that are under way."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def service(self, name: str) -> Service[Awaitable[Reply]]:
        """The APIs of a service as methods."""
        return Service(self.call, name)

    async def call(self, api: str, /, **inputs: Any) -> Reply:
        """See `Client.call`."""
        return await self._run(self._core.call(api, inputs, self._options))

    async def infer(self, model: str, inputs: Mapping[str, Any],
                    outputs: Outputs | None = None) -> Reply:
        """See `Client.infer`."""
        return await self._run(self._core.infer(model, inputs, places_of(outputs), self._options))

    async def services(self) -> list[str]:
        """The names of the services."""
        return await self._run(self._core.services(self._options))

    async def models(self) -> list[ModelInfo]:
        """All that `infer` can call."""
        return await self._run(self._core.models(self._options))

    async def model(self, name: str) -> ModelInfo:
        """One of them."""
        return await self._run(self._core.model(name, self._options))

    async def ready(self, service: str = "") -> bool:
        """True if the service, or without a name every one, is served now."""
        return await self._run(self._core.ready(service, self._options))

    @asynccontextmanager
    async def share(self, array: Any) -> AsyncIterator[SharedArray]:
        """See `Client.share`: `async with client.share(array) as shared:`."""
        shared = SharedArray(array)
        try:
            await self._run(self._core.register(shared, self._options))
        finally:
            shared.unlink()
        try:
            yield shared
        finally:
            await self._run(self._core.unregister(shared, self._options))

    def _is_connected(self) -> bool:
        return self._channel.get_state() == grpc.ChannelConnectivity.READY

    async def _run(self, steps: Generator[Rpc, Answer, T]) -> T:
        """Makes the RPCs that `steps` asks for."""
        if not self._is_connected():
            self._core.forget()
        try:
            rpc = next(steps)
            while True:
                made = await self._make(rpc)
                rpc = steps.send(made) if isinstance(made, Answer) else steps.throw(made)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _make(self, rpc: Rpc) -> Answer | TiffinError:
        attempts = _STREAM_ATTEMPTS if rpc.is_stream else 1
        while True:
            attempts -= 1
            try:
                return await self._answer(rpc)
            except grpc.aio.AioRpcError as error:
                if attempts == 0 or error.details() != _STATUS_LOST:
                    return translated(error)

    async def _answer(self, rpc: Rpc) -> Answer:
        if rpc.is_stream:
            # Bytes in, bytes out, as no one says how to make messages of them.
            asked: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = self._channel.stream_stream(
                rpc.path)
            stream = asked(iter([rpc.request]), timeout=rpc.timeout, metadata=rpc.metadata)
            (content,) = [message async for message in stream]
            return Answer(content, trailers_of(await stream.trailing_metadata()))
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(rpc.path)
        call = method(rpc.request, timeout=rpc.timeout, metadata=rpc.metadata)
        content = await call
        return Answer(content, trailers_of(await call.trailing_metadata()))
