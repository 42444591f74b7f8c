"""Bearer tokens: who may call what, with real clients."""

import http.client
import json
import os
import re
import subprocess
import types

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

import harness
from authority import Authority
from harness import ANSWER_S

SERVICE = """
service: {name}
runners:
  same: {{backend: testing, options: {{behavior: identity, shape: [-1]}}}}
apis:
  echo:
    input: {{x: "fp32[rows,-1]"}}
    steps:
      a: same(x)
    output: {{y: a}}
"""
SERVICES = [SERVICE.format(name=name) for name in ("mine", "other")]
X = np.array([[1.5, 2.5]], np.float32)
GRPCURL = harness.ROOT / "build/tools/grpcurl"


def make_token(file, name, *services):
    flags = [flag for service in services for flag in ("--service", service)]
    made = harness.run(harness.TIFFIN, "token", name, *flags, "--append", file)
    assert made.returncode == 0, made.stderr
    assert re.fullmatch(r"tiffin_[\w-]{43}\n", made.stdout)
    return made.stdout.strip()


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    file = tmp_path_factory.mktemp("tokens") / "tokens.yaml"
    return types.SimpleNamespace(
        file=file, mine=make_token(file, "caller-of-mine", "mine"),
        ops=make_token(file, "ops", "*"),
        metrics=make_token(file, "prometheus", "/metrics"), wrong="tiffin_" + "x" * 43)


@pytest.fixture(scope="module")
def server(tokens):
    args = ["--http-address", "127.0.0.1:0", "--tokens", tokens.file, "--access-log",
            "--log-level", "trace", "--log-format", "json"]
    with harness.Server(*SERVICES, args=args) as made:
        yield made


def bearer(token):
    return (("authorization", f"Bearer {token}"),) if token else ()


def ask(server, method, path, token=None, body=None, **fields):
    host, port = server.http_address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=ANSWER_S)
    fields |= {"authorization": f"Bearer {token}"} if token else {}
    connection.request(method, path, body and json.dumps(body), fields)
    response = connection.getresponse()
    return response, response.read().decode()


def status(server, *args, **kwargs):
    return ask(server, *args, **kwargs)[0].status


UNARY = [
    ("ModelInfer", lambda: harness.infer_request("mine.echo", x=X)),
    ("ModelInfer", lambda: harness.infer_request("mine.same", X)),
    ("ModelMetadata", lambda: service_pb2.ModelMetadataRequest(name="mine.echo")),
    ("ModelReady", lambda: service_pb2.ModelReadyRequest(name="mine.echo")),
    ("ModelConfig", lambda: service_pb2.ModelConfigRequest(name="mine.echo")),
    ("ModelStatistics", lambda: service_pb2.ModelStatisticsRequest(name="mine.echo")),
]


@pytest.mark.parametrize("method, request_of", UNARY)
def test_what_is_of_a_service_needs_a_token_for_it(server, tokens, method, request_of):
    call = getattr(server.kserve, method)
    for token in (None, tokens.wrong, tokens.mine[:-1], tokens.mine + "x"):
        with harness.refused(grpc.StatusCode.UNAUTHENTICATED, "Bearer"):
            call(request_of(), timeout=ANSWER_S, metadata=bearer(token))
    for token in (tokens.mine, tokens.ops):
        call(request_of(), timeout=ANSWER_S, metadata=bearer(token))
    foreign = request_of()
    for field in ("model_name", "name"):
        if hasattr(foreign, field):
            setattr(foreign, field, getattr(foreign, field).replace("mine", "other"))
    with harness.refused(grpc.StatusCode.PERMISSION_DENIED, "caller-of-mine", "other"):
        call(foreign, timeout=ANSWER_S, metadata=bearer(tokens.mine))
    call(foreign, timeout=ANSWER_S, metadata=bearer(tokens.ops))
    with harness.refused(grpc.StatusCode.PERMISSION_DENIED, "prometheus"):
        call(request_of(), timeout=ANSWER_S, metadata=bearer(tokens.metrics))


def test_two_authorizations_are_none(server, tokens):
    with harness.refused(grpc.StatusCode.UNAUTHENTICATED, "two"):
        server.kserve.ModelInfer(harness.infer_request("mine.echo", x=X), timeout=ANSWER_S,
                                 metadata=bearer(tokens.mine) * 2)


def test_streams(server, tokens):
    def stream(token):
        requests = [harness.infer_request(f"{name}.echo", x=X) for name in ("mine", "other")]
        return list(server.kserve.ModelStreamInfer(iter(requests), timeout=ANSWER_S,
                                                   metadata=bearer(token)))

    mine, other = stream(tokens.mine)
    assert mine.error_message == ""
    assert "caller-of-mine" in other.error_message and not other.infer_response.outputs
    assert [reply.error_message for reply in stream(tokens.ops)] == ["", ""]
    with harness.refused(grpc.StatusCode.UNAUTHENTICATED):
        stream(None)


def test_lists_have_what_one_may_call(server, tokens):
    def names(token):
        metadata = bearer(token)
        index = server.kserve.RepositoryIndex(service_pb2.RepositoryIndexRequest(),
                                              timeout=ANSWER_S, metadata=metadata)
        stats = server.kserve.ModelStatistics(service_pb2.ModelStatisticsRequest(),
                                              timeout=ANSWER_S, metadata=metadata)
        over_http = json.loads(ask(server, "POST", "/v2/repository/index", token)[1])
        found = {model.name for model in index.models}
        assert found == {model.name for model in stats.model_stats}
        assert found == {model["name"] for model in over_http}
        return found

    assert names(tokens.mine) == {"mine.echo", "mine.same"}
    assert names(tokens.ops) == {f"{service}.{what}" for service in ("mine", "other")
                                 for what in ("echo", "same")}


def test_health_is_open(server):
    assert server.kserve.ServerLive(service_pb2.ServerLiveRequest(), timeout=ANSWER_S).live
    assert server.kserve.ServerReady(service_pb2.ServerReadyRequest(), timeout=ANSWER_S).ready
    health = health_pb2_grpc.HealthStub(server.channel)
    assert health.Check(health_pb2.HealthCheckRequest(service="mine"), timeout=ANSWER_S).status == 1
    assert harness.run(harness.TIFFIN, "probe", server.address).returncode == 0
    for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"):
        assert status(server, "GET", path) == 200, path


def test_all_else_needs_a_token(server, tokens):
    for path in ("/openapi.json", "/v2", "/metrics", "/v2/models/mine.echo", "/nothing", "/",
                 "/mine/echo", "/healthz/", "//healthz", "/v2/health/live/x"):
        response, text = ask(server, "GET", path)
        assert response.status == 401, path
        assert response.getheader("www-authenticate") == 'Bearer realm="tiffin"'
        assert "Bearer" in json.loads(text)["error"]
        response, _ = ask(server, "GET", path, tokens.wrong)
        assert response.status == 401
        assert "invalid_token" in response.getheader("www-authenticate")
    for path in ("/openapi.json", "/v2", "/v2/models/mine.echo"):
        assert status(server, "GET", path, tokens.mine) == 200, path
    with harness.refused(grpc.StatusCode.UNAUTHENTICATED):
        server.kserve.ServerMetadata(service_pb2.ServerMetadataRequest(), timeout=ANSWER_S)


def test_metrics(server, tokens):
    assert status(server, "GET", "/metrics", tokens.mine) == 403
    for token in (tokens.metrics, tokens.ops):
        response, text = ask(server, "GET", "/metrics", token)
        assert response.status == 200 and "tiffin_build_info" in text


@pytest.mark.parametrize("path, body", [
    ("/{}/echo", {"x": X.tolist()}),
    ("/v2/models/{}.echo/infer", {"inputs": [
        {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.5, 2.5]}]}),
])
def test_http(server, tokens, path, body):
    fields = {"content-type": "application/json"}
    assert status(server, "POST", path.format("mine"), None, body, **fields) == 401
    assert status(server, "POST", path.format("mine"), tokens.mine, body, **fields) == 200
    response, text = ask(server, "POST", path.format("other"), tokens.mine, body, **fields)
    assert response.status == 403 and "caller-of-mine" in text
    assert status(server, "POST", path.format("other"), tokens.ops, body, **fields) == 200


def test_a_body_without_a_token_need_not_come(server):
    host, port = server.http_address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=ANSWER_S)
    connection.putrequest("POST", "/mine/echo")
    connection.putheader("content-length", str(200 << 20))
    connection.putheader("expect", "100-continue")
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 401
    assert response.getheader("connection") == "close"


def test_reflection_needs_a_token(server, tokens):
    refused = harness.run(GRPCURL, "-plaintext", server.address, "list")
    assert refused.returncode != 0 and "Unauthenticated" in refused.stderr
    header = f"authorization: Bearer {tokens.mine}"
    listed = harness.run(GRPCURL, "-plaintext", "-H", header, server.address, "list")
    assert "tiffin.services.mine.Mine" in listed.stdout, listed.stderr
    tensor = '{"x": {"dtype": "fp32", "shape": [1, 2], "data": "AADAPwAAIEA="}}'
    for service, code in (("mine.Mine", 0), ("other.Other", 1)):
        made = harness.run(GRPCURL, "-plaintext", "-H", header, "-d", tensor, server.address,
                           f"tiffin.services.{service}/Echo")
        assert ("PermissionDenied" in made.stderr) == bool(code), made.stderr
        assert "Unauthenticated" not in made.stderr


def test_the_log_tells_names_and_never_a_token(server, tokens):
    server.infer("mine.echo", x=X, metadata=bearer(tokens.mine))
    with harness.refused(grpc.StatusCode.PERMISSION_DENIED):
        server.infer("other.echo", x=X, metadata=bearer(tokens.mine))
    with harness.refused(grpc.StatusCode.UNAUTHENTICATED):
        server.infer("mine.echo", x=X, metadata=bearer(tokens.wrong))
    server.wait_for_line(r'"token":"caller-of-mine".*"service":"mine".*"code":"OK"')
    server.wait_for_line(r'"token":"caller-of-mine".*"service":"other".*"code":"PERMISSION_DENIED"')
    server.wait_for_line(r'"code":"UNAUTHENTICATED"')
    said = "\n".join(server.lines) + ask(server, "GET", "/metrics", tokens.ops)[1]
    for token in vars(tokens).values():
        assert str(token)[7:27] not in said.replace(str(tokens.file), "")
    assert open(f"/proc/{server.pid}/cmdline").read().find(tokens.mine) == -1


def test_the_commands_send_a_token(server, tokens, folder):
    file = folder / "token"
    file.write_text(tokens.mine + "\n")
    without = {name: value for name, value in os.environ.items() if name != "TIFFIN_TOKEN"}
    call = [harness.TIFFIN, "call", "--address", server.address, "mine.echo", "[[1.5, 2.5]]"]
    made = harness.run(*call, env=without)
    assert made.returncode == 1 and "--token-file" in made.stderr
    assert harness.run(*call, "--token-file", file, env=without).returncode == 0
    assert harness.run(*call, env={**without, "TIFFIN_TOKEN": tokens.mine}).returncode == 0
    made = harness.run(*call, "--metadata", f"authorization=Bearer {tokens.mine}", env=without)
    assert made.returncode == 2 and tokens.mine not in made.stderr
    top = [harness.TIFFIN, "top", f"http://{server.http_address}", "--once", "--interval", "0.1",
           "--json"]
    made = harness.run(*top, "--token-file", file, env=without)
    assert made.returncode == 1 and "/metrics" in made.stderr
    file.write_text(tokens.metrics)
    made = harness.run(*top, "--token-file", file, env=without)
    assert made.returncode == 0, made.stderr
    made = harness.run(harness.TIFFIN, "call", "--address", "192.0.2.1:80", "mine.echo", "[[1]]",
                       "--token-file", file, env=without)
    assert made.returncode == 2 and "192.0.2.1:80" in made.stderr


def test_tokens_that_are_replaced_hold_at_once(tokens, folder):
    file = folder / "tokens.yaml"
    old = make_token(file, "old", "mine")
    with harness.Server(SERVICES[0], args=["--tokens", file]) as server:
        server.infer("mine.echo", x=X, metadata=bearer(old))
        later = folder / "later.yaml"
        new = make_token(later, "new", "mine")
        later.rename(file)
        server.wait_for_line("reloaded .*tokens.yaml: 1 tokens")
        server.infer("mine.echo", x=X, metadata=bearer(new))
        with harness.refused(grpc.StatusCode.UNAUTHENTICATED):
            server.infer("mine.echo", x=X, metadata=bearer(old))
        file.write_text("- nonsense\n")
        server.wait_for_line("error.*new tokens are not used.*tokens.yaml:1:3")
        server.infer("mine.echo", x=X, metadata=bearer(new))


def serve_fails(*args):
    made = harness.run(harness.TIFFIN, "serve", harness.DIGITS_SERVICE, "--store", harness.MODELS,
                       *args)
    assert made.returncode == 2, made.stderr
    return made.stderr


def test_tokens_are_not_taken_where_others_see_them(tokens, folder):
    for flag in ("--grpc-address", "--http-address"):
        said = serve_fails("--tokens", tokens.file, flag, "0.0.0.0:0")
        assert "0.0.0.0:0" in said and "--tls-certificate" in said
        assert "--tokens-in-plaintext" in said
    (folder / "bad.yaml").write_text("- {name: a}\n")
    assert "bad.yaml:1:3: " in serve_fails("--tokens", folder / "bad.yaml")
    assert "--tokens" in serve_fails("--tokens-in-plaintext")


def test_over_tls(tokens, folder):
    authority = Authority(folder)
    args = ["--tokens", tokens.file, *authority.make("server").flags]
    with harness.Server(SERVICES[0], args=args) as server:
        made = harness.run(harness.TIFFIN, "call", "--address", server.address, "mine.echo",
                           "[[1.5, 2.5]]", "--tls-ca", authority.certificate,
                           env={**os.environ, "TIFFIN_TOKEN": tokens.mine})
        assert made.returncode == 0, made.stderr


def test_token_prints_itself_once_with_its_line():
    made = harness.run(harness.TIFFIN, "token", "checkout", "--service", "digits")
    token, line = re.search(r"\n(tiffin_\S+)\n.*\n(- .*)\n$", made.stdout, re.S).groups()
    digest = subprocess.run(["sha256sum"], input=token.encode(), capture_output=True,
                            check=True).stdout.decode().split()[0]
    assert line == f"- {{name: checkout, services: [digits], sha256: {digest}}}"


def test_token_refuses_what_makes_no_good_file(folder):
    file = folder / "tokens.yaml"
    make_token(file, "a", "mine")
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_text()
    for args in (["a", "--service", "mine"], ["b", "--service", "Mine"], ["b c", "--service", "x"]):
        made = harness.run(harness.TIFFIN, "token", *args, "--append", file)
        assert made.returncode == 2 and made.stdout == "", made.stderr
    assert file.read_text() == before
