"""How a server is reached: its address, TLS, the token, and what gRPC is told."""

import dataclasses
import ipaddress
import json
import os
import pathlib
from typing import Any

import grpc

DEFAULT_ADDRESS = "127.0.0.1:8001"
#: Of a message, as the server's own; some more for what is around tensors.
LARGEST_MESSAGE = (256 << 20) + (1 << 20)
#: gRPC's own limit.
MOST_RETRIES = 4

PemFile = str | os.PathLike[str]


@dataclasses.dataclass(frozen=True)
class Connection:
    """What `Client` and `AsyncClient` were told; see there."""

    address: str
    token: str | None = dataclasses.field(repr=False)
    tls: bool
    tls_ca: PemFile | None
    tls_certificate: PemFile | None
    tls_key: PemFile | None
    tls_server_name: str | None
    tokens_in_plaintext: bool
    retries: int

    def __post_init__(self) -> None:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together; give both")
        if not self.secure and (self.tls_certificate or self.tls_server_name):
            raise ValueError(
                "tls_certificate and tls_server_name are for TLS; give tls_ca, or tls=True")
        if not 0 <= self.retries <= MOST_RETRIES:
            raise ValueError(f"retries={self.retries} must be from 0 to {MOST_RETRIES}")
        if self.token is not None and (not self.token or not _is_one_word(self.token)):
            raise ValueError(
                "a token is one word of printable ASCII, as 'tiffin token' makes it")
        if (self.token and not self.secure and not self.tokens_in_plaintext
                and not is_loopback(self.address)):
            raise ValueError(
                f"the token is not sent to {self.address}, which is not the loopback, without TLS: "
                "whoever sees it could use it; give tls=True, tls_ca, or tokens_in_plaintext=True")

    @property
    def secure(self) -> bool:
        """True if the connection speaks TLS."""
        return self.tls or self.tls_ca is not None

    def credentials(self) -> grpc.ChannelCredentials:
        """For TLS."""
        return grpc.ssl_channel_credentials(
            root_certificates=_read(self.tls_ca), private_key=_read(self.tls_key),
            certificate_chain=_read(self.tls_certificate))

    def channel_options(self) -> list[tuple[str, Any]]:
        """gRPC's arguments of the channel."""
        options: list[tuple[str, Any]] = [
            ("grpc.max_send_message_length", LARGEST_MESSAGE),
            ("grpc.max_receive_message_length", LARGEST_MESSAGE)]
        if self.tls_server_name:
            options.append(("grpc.ssl_target_name_override", self.tls_server_name))
        if self.retries:
            options += [("grpc.service_config", _retry_config(self.retries)),
                        # What is larger is not kept, and so can't be sent again.
                        ("grpc.per_rpc_retry_buffer_size", LARGEST_MESSAGE)]
        return options

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call brings."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()


def token_of(token: str | None, token_file: PemFile | None) -> str | None:
    """The token itself, that in a file, or that of $TIFFIN_TOKEN; None if there is none."""
    if token is not None and token_file is not None:
        raise ValueError("token and token_file are two tokens; give one of them")
    if token_file is not None:
        return pathlib.Path(token_file).read_text("ascii").strip()
    return token if token is not None else os.environ.get("TIFFIN_TOKEN") or None


def is_loopback(address: str) -> bool:
    """True if what is sent there doesn't leave the machine."""
    if address.startswith(("unix:", "unix-abstract:")):
        return True
    host = address.removeprefix("dns:///").rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_one_word(text: str) -> bool:
    return all(" " < character <= "~" for character in text)


def _read(file: PemFile | None) -> bytes | None:
    return None if file is None else pathlib.Path(file).read_bytes()


def _retry_config(retries: int) -> str:
    return json.dumps({"methodConfig": [{
        "name": [{}],  # All of them.
        "retryPolicy": {
            "maxAttempts": retries + 1, "initialBackoff": "0.1s", "maxBackoff": "2s",
            "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]})
