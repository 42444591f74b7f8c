"""TLS on both ports, with the clients that people have."""

import http.client
import json
import re
import shutil
import socket
import ssl

import grpc
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.grpc import service_pb2_grpc

import harness
from authority import Authority, Pair
from harness import ANSWER_S

SERVICE = """
service: demo
runners:
  same: {backend: testing, options: {behavior: identity, shape: [-1]}}
apis:
  echo:
    input: {x: "fp32[rows,-1]"}
    steps:
      a: same(x)
    output: {y: a}
"""
GRPCURL = harness.ROOT / "build/tools/grpcurl"
X = np.array([[1.5, 2.5]], np.float32)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def first(authority):
    return authority.make("first")


@pytest.fixture(scope="module")
def client_pair(authority):
    return authority.make("client")


def serve(*flags):
    return harness.Server(SERVICE, args=["--http-address", "127.0.0.1:0", *flags])


@pytest.fixture(scope="module")
def server(first):
    with serve(*first.flags) as made:
        yield made


@pytest.fixture(scope="module")
def mutual(first, authority):
    with serve(*first.flags, "--tls-client-ca", authority.certificate) as made:
        yield made


def channel(server, authority, pair=None):
    chain, key = pair.read() if pair else (None, None)
    return grpc.secure_channel(server.address, grpc.ssl_channel_credentials(
        authority.certificate.read_bytes(), key, chain))


def infer(made):
    request = harness.infer_request("demo.echo", x=X)
    reply = service_pb2_grpc.GRPCInferenceServiceStub(made).ModelInfer(request, timeout=ANSWER_S)
    return harness.outputs_of(reply)["y"]


def context(authority, pair=None):
    made = ssl.create_default_context(cafile=authority.certificate)
    if pair:
        made.load_cert_chain(pair.certificate, pair.key)
    return made


def https(server, authority, pair=None):
    host, port = server.http_address.split(":")
    return http.client.HTTPSConnection(host, int(port), timeout=ANSWER_S,
                                       context=context(authority, pair))


def post(connection):
    connection.request("POST", "/demo/echo", json.dumps({"x": X.tolist()}),
                       {"content-type": "application/json"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def subject(address, authority):
    """Whom a new connection sees."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=ANSWER_S) as plain:
        made = context(authority)
        made.set_alpn_protocols(["h2", "http/1.1"])
        with made.wrap_socket(plain, server_hostname="localhost") as safe:
            return dict(part[0] for part in safe.getpeercert()["subject"])["commonName"]


def test_grpcio(server, authority):
    with channel(server, authority) as made:
        np.testing.assert_array_equal(infer(made), X)


def test_grpc_in_plaintext_is_not_answered(server):
    with grpc.insecure_channel(server.address) as made:
        with harness.refused(grpc.StatusCode.UNAVAILABLE):
            infer(made)


def test_grpcurl(server, authority):
    made = harness.run(GRPCURL, "-cacert", authority.certificate, "-max-time", ANSWER_S,
                       server.address, "list")
    assert made.returncode == 0, made.stderr
    assert "tiffin.services.demo.Demo" in made.stdout


def test_curl(server, authority):
    made = harness.run("curl", "-sS", "--cacert", authority.certificate, "--json",
                       json.dumps({"x": X.tolist()}), f"https://{server.http_address}/demo/echo")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout) == {"y": X.tolist()}


def test_curl_does_not_trust_another_authority(server, folder):
    other = Authority(folder, "other")
    made = harness.run("curl", "-sS", "--cacert", other.certificate,
                       f"https://{server.http_address}/healthz")
    assert made.returncode == 60, made.stderr


def test_http_in_plaintext_is_not_answered(server):
    made = harness.run("curl", "-sS", "--max-time", ANSWER_S,
                       f"http://{server.http_address}/healthz")
    assert made.returncode != 0
    assert made.stdout == ""


@pytest.mark.parametrize("size", [1, 100_000, 5_000_000])
def test_bodies_of_all_sizes_come_through(server, authority, size):
    x = np.arange(size, dtype=np.float32).reshape(1, size)
    client = tritonclient.http.InferenceServerClient(
        server.http_address, ssl=True, ssl_options={"ca_certs": str(authority.certificate)},
        connection_timeout=ANSWER_S, network_timeout=ANSWER_S)
    tensor = tritonclient.http.InferInput("x", list(x.shape), "FP32")
    tensor.set_data_from_numpy(x, binary_data=True)
    outputs = [tritonclient.http.InferRequestedOutput("y", binary_data=True)]
    for _ in range(3):  # On one connection.
        np.testing.assert_array_equal(
            client.infer("demo.echo", [tensor], outputs=outputs).as_numpy("y"), x)


def test_tritonclient_grpc(server, authority):
    client = tritonclient.grpc.InferenceServerClient(
        server.address, ssl=True, root_certificates=str(authority.certificate))
    tensor = tritonclient.grpc.InferInput("x", list(X.shape), "FP32")
    tensor.set_data_from_numpy(X)
    np.testing.assert_array_equal(client.infer("demo.echo", [tensor]).as_numpy("y"), X)


@pytest.mark.parametrize("version, taken", [("TLSv1_1", False), ("TLSv1_2", True),
                                            ("TLSv1_3", True)])
def test_only_tls_1_2_and_newer(server, authority, version, taken):
    made = context(authority)
    made.set_ciphers("ALL:@SECLEVEL=0")
    made.set_alpn_protocols(["h2", "http/1.1"])
    made.minimum_version = made.maximum_version = ssl.TLSVersion[version]
    for address in (server.address, server.http_address):
        host, port = address.split(":")
        with socket.create_connection((host, int(port)), timeout=ANSWER_S) as plain:
            try:
                with made.wrap_socket(plain, server_hostname="localhost"):
                    assert taken
            except ssl.SSLError:
                assert not taken


def test_a_client_that_says_nothing_holds_nobody_up(server, authority):
    host, port = server.http_address.split(":")
    with socket.create_connection((host, int(port))):
        assert post(https(server, authority))[0] == 200


def test_mutual_tls(mutual, authority, client_pair):
    with channel(mutual, authority, client_pair) as made:
        np.testing.assert_array_equal(infer(made), X)
    assert post(https(mutual, authority, client_pair)) == (200, {"y": X.tolist()})
    made = harness.run("curl", "-sS", "--cacert", authority.certificate, "--cert",
                       client_pair.certificate, "--key", client_pair.key,
                       f"https://{mutual.http_address}/healthz",
                       f"https://{mutual.http_address}/healthz")
    assert made.stdout == '{"alive": true}\n' * 2, made.stderr


def test_mutual_tls_wants_a_certificate(mutual, authority):
    with channel(mutual, authority) as made:
        with harness.refused(grpc.StatusCode.UNAVAILABLE):
            infer(made)
    with pytest.raises((ssl.SSLError, OSError)):
        post(https(mutual, authority))


def test_mutual_tls_wants_one_of_its_authority(mutual, authority, folder):
    stranger = Authority(folder, "stranger").make("client")
    with channel(mutual, authority, stranger) as made:
        with harness.refused(grpc.StatusCode.UNAVAILABLE):
            infer(made)
    with pytest.raises((ssl.SSLError, OSError)):
        post(https(mutual, authority, stranger))


def test_replaced_certificates_hold_for_new_connections(authority, first, folder):
    used = Pair(folder, "used")
    used.replace_with(first)
    with serve(*used.flags) as server, channel(server, authority) as old_grpc:
        old_http = https(server, authority)
        assert infer(old_grpc) is not None and post(old_http)[0] == 200
        assert subject(server.address, authority) == "first"
        used.replace_with(authority.make("second"))
        server.wait_for_line(r"reloaded the certificate .*CN = second")
        for address in (server.address, server.http_address):
            assert subject(address, authority) == "second"
        # Nobody was cut off.
        assert infer(old_grpc) is not None and post(old_http)[0] == 200
        # One that is wrong is not used.
        shutil.copy(first.key, used.key)
        server.wait_for_line(
            r"warning.*last good ones are: --tls-key .*not that of the certificate")
        for address in (server.address, server.http_address):
            assert subject(address, authority) == "second"


def fails_to_start(*flags):
    server = serve(*flags)
    try:
        server.start()
        assert server.wait() == 2
        return server.said()
    finally:
        server.close()


def test_files_that_are_wrong_are_told_of_at_the_start(authority, first, folder):
    said = fails_to_start("--tls-certificate", folder / "none", "--tls-key", first.key)
    assert f"--tls-certificate '{folder}/none': No such file" in said
    other = authority.make("another")
    said = fails_to_start("--tls-certificate", first.certificate, "--tls-key", other.key)
    assert f"--tls-key '{other.key}': the key is not that of the certificate" in said
    said = fails_to_start(*authority.make("late", days=0).flags)
    assert re.search(r"CN = late expired on \d{4}-.*renew it", said)
    assert "needs" in harness.run(harness.TIFFIN, "serve", harness.DIGITS_SERVICE,
                                  "--tls-key", first.key).stderr.replace("requires", "needs")


def test_a_key_that_all_may_read_is_warned_of(first, folder):
    used = Pair(folder, "used")
    used.replace_with(first)
    used.key.chmod(0o644)
    with serve(*used.flags) as server:
        server.wait_for_line(r"warning.*used.key' can be read or written by everybody.*chmod")


def test_the_commands_speak_tls(mutual, authority, client_pair):
    flags = ["--tls-ca", authority.certificate, *client_pair.flags]
    made = harness.run(harness.TIFFIN, "call", "--address", mutual.address, "demo.echo",
                       "[[1.5, 2.5]]", "--json", *flags)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["outputs"] == {"y": X.tolist()}
    assert harness.run(harness.TIFFIN, "probe", mutual.address, *flags).returncode == 0
    assert harness.run(harness.TIFFIN, "probe", mutual.address).returncode == 1
    made = harness.run(harness.TIFFIN, "top", f"https://{mutual.http_address}", "--once",
                       "--interval", "0.1", "--json", *flags)
    assert made.returncode == 0, made.stderr
    assert "demo.echo" in made.stdout
    made = harness.run(harness.TIFFIN, "call", "--address", mutual.address, "demo.echo", "[[1]]")
    assert "--tls-ca" in made.stderr
    made = harness.run(harness.TIFFIN, "top", f"http://{mutual.http_address}", *flags)
    assert made.returncode == 2 and "https://" in made.stderr


def test_the_commands_trust_the_right_names_only(server, authority, folder, first):
    with serve(*authority.make("elsewhere", names="DNS:elsewhere.example").flags) as other:
        flags = ["--tls-ca", authority.certificate]
        assert harness.run(harness.TIFFIN, "probe", other.address, *flags).returncode == 1
        url = f"https://{other.http_address}"
        top = [harness.TIFFIN, "top", url, "--once", "--interval", "0.1", "--json", *flags]
        assert harness.run(*top).returncode == 1
        name = ["--tls-server-name", "elsewhere.example"]
        assert harness.run(harness.TIFFIN, "probe", other.address, *flags, *name).returncode == 0
        assert harness.run(*top, *name).returncode == 0
