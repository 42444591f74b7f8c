"""What both clients are told."""

import copy
import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Self, TypeVar

from tiffin._connection import DEFAULT_ADDRESS, Connection, PemFile, token_of
from tiffin._core import REQUEST_ID, CallOptions, Core
from tiffin.errors import TiffinError, of_code
from tiffin.shared import SharedArray

R = TypeVar("R")

Outputs = Sequence[str] | Mapping[str, SharedArray | None]

_KEEP: Any = object()


class ClientBase:
    """A connection to a server, and the options of calls that go over it."""

    def __init__(self, address: str | None = None, *, timeout: float | None = None,
                 token: str | None = None, token_file: PemFile | None = None, tls: bool = False,
                 tls_ca: PemFile | None = None, tls_certificate: PemFile | None = None,
                 tls_key: PemFile | None = None, tls_server_name: str | None = None,
                 tokens_in_plaintext: bool = False, retries: int = 0) -> None:
        """`address` is HOST:PORT or unix:PATH; without one $TIFFIN_ADDRESS, else 127.0.0.1:8001.

        - `timeout`: the seconds that a call may take, with all that the client has to learn before.
          None: as long as the server lets it, by the API's own timeout.
        - `token`, or `token_file`, or $TIFFIN_TOKEN: what `tiffin token` printed. Without TLS it is
          sent to the loopback only, or with `tokens_in_plaintext`.
        - `tls`: speak TLS, and trust whom gRPC trusts; `tls_ca`: speak TLS, and trust who is signed
          by one of these (a PEM file). `tls_certificate` and `tls_key`: what to show to a server
          that asks for it. `tls_server_name`: the name in the server's certificate, where it isn't
          the address's.
        - `retries`: how often a call that ended with UNAVAILABLE is made again, 4 times at most. It
          may have been executed before: ask for it only where that does no harm.
        """
        address = address or os.environ.get("TIFFIN_ADDRESS") or DEFAULT_ADDRESS
        self._connection = Connection(
            address=address, token=token_of(token, token_file), tls=tls, tls_ca=tls_ca,
            tls_certificate=tls_certificate, tls_key=tls_key, tls_server_name=tls_server_name,
            tokens_in_plaintext=tokens_in_plaintext, retries=retries)
        self._core = Core()
        self._open(self._connection)
        self._options = CallOptions(timeout=timeout, metadata=self._connection.metadata())

    def _open(self, connection: Connection) -> None:
        """Makes the channel."""
        raise NotImplementedError

    def with_options(self, *, timeout: float | None = _KEEP, request_id: str | None = _KEEP,
                     timing: bool = _KEEP, metadata: Iterable[tuple[str, str]] = ()) -> Self:
        """The same client, on the same connection, whose calls have other options: `timing` asks
        where their time goes, `metadata` is added to what they bring."""
        changed: dict[str, Any] = {name: value for name, value in (
            ("timeout", timeout), ("request_id", request_id), ("timing", timing))
            if value is not _KEEP}
        other = copy.copy(self)
        other._options = dataclasses.replace(
            self._options, metadata=self._options.metadata + tuple(metadata), **changed)
        return other

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connection.address!r})"


class Service(Generic[R]):
    """The APIs of a service as methods: `service.classify(image=...)` is
    `client.call("SERVICE.classify", image=...)`."""

    def __init__(self, call: Callable[..., R], name: str) -> None:
        self._call = call
        self._name = name

    def __getattr__(self, api: str) -> Callable[..., R]:
        if api.startswith("_"):
            raise AttributeError(api)

        def call(*values: Any, **inputs: Any) -> R:
            if values:
                raise TypeError(f"{self._name}.{api}: inputs are given by their names, as in "
                                f"{api}(text='...')")
            return self._call(f"{self._name}.{api}", **inputs)

        return call

    def __repr__(self) -> str:
        return f"Service({self._name!r})"


def places_of(outputs: Outputs | None) -> Mapping[str, SharedArray | None]:
    """The outputs that are wanted, and where they go."""
    if outputs is None:
        return {}
    return outputs if isinstance(outputs, Mapping) else dict.fromkeys(outputs)


def trailers_of(metadata: Any) -> dict[str, str]:
    """gRPC's metadata; binary values are nobody's here."""
    return {key: value for key, value in metadata or () if isinstance(value, str)}


def translated(error: Any) -> TiffinError:
    """gRPC's error as ours."""
    trailers = trailers_of(error.trailing_metadata())
    return of_code(error.code().name, error.details() or "", trailers.get(REQUEST_ID))
