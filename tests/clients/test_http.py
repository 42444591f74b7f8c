"""HTTP with real clients: curl, and http.client of Python."""

import base64
import http.client
import json
import socket

import numpy as np
import pytest

import harness
from harness import ANSWER_S

SERVICE = """
service: demo
runners:
  same: {{backend: testing, options: {{behavior: identity, shape: [-1]}}}}
  wait: {{backend: testing,
         options: {{behavior: delay, until: {gate}, ms: 60000, journal: {journal}}},
         queue: {{max: 1}}}}
apis:
  echo:
    input: {{x: "fp32[rows,-1]"}}
    steps:
      a: same(x)
    output: {{y: a}}
  hold:
    input: {{x: "fp32[-1]"}}
    steps:
      a: wait(x)
    output: {{y: a}}
"""


@pytest.fixture
def server(folder, gate, journal):
    service = SERVICE.format(gate=gate.path, journal=journal.path)
    with harness.Server(service, args=["--http-address", "127.0.0.1:0"]) as made:
        yield made


class Client:
    """One kept connection."""

    def __init__(self, server):
        host, port = server.http_address.split(":")
        self.connection = http.client.HTTPConnection(host, int(port), timeout=ANSWER_S)

    def send(self, method, path, body=None, **fields):
        names = {name.replace("_", "-"): value for name, value in fields.items()}
        self.connection.request(method, path, body, names)

    def receive(self):
        response = self.connection.getresponse()
        text = response.read()
        self.fields = response.headers
        return response.status, json.loads(text)

    def ask(self, method, path, body=None, **fields):
        self.send(method, path, body, **fields)
        return self.receive()

    def post(self, path, body, **fields):
        return self.ask("POST", path, json.dumps(body), content_type="application/json", **fields)


def curl(server, *args):
    made = harness.run("curl", "-sS", "--max-time", ANSWER_S, "-w", "%{http_code}", *args[:-1],
                       f"http://{server.http_address}{args[-1]}")
    assert made.returncode == 0, made.stderr
    return int(made.stdout[-3:]), json.loads(made.stdout[:-3])


@pytest.fixture(scope="module")
def digits():
    with harness.Server(harness.DIGITS_SERVICE, args=["--http-address", "127.0.0.1:0"]) as made:
        yield made


PREDICT = "/inference_graph_demo/predict"
SEVEN = harness.IMAGES / "digit_7.png"


def test_curl_sends_an_image_in_each_form(digits, folder):
    whole = curl(digits, "--data-binary", f"@{SEVEN}", "-H", "Content-Type: image/png", PREDICT)
    assert whole[0] == 200 and whole[1]["verdict"].startswith("7 (agree"), whole
    assert curl(digits, "-F", f"input_image=@{SEVEN}", PREDICT) == whole
    body = folder / "body.json"
    body.write_text(json.dumps({"input_image": base64.b64encode(SEVEN.read_bytes()).decode()}))
    assert curl(digits, "--json", f"@{body}", PREDICT) == whole


def test_curl_sends_a_large_body_that_it_asks_about_first(digits, folder):
    large = folder / "large"
    large.write_bytes(bytes(20 << 20))
    status, answer = curl(digits, "--data-binary", f"@{large}", "-H", "Content-Type: image/png",
                          PREDICT)
    assert status == 400 and "preprocess" in answer["error"], answer
    status, answer = curl(digits, "-X", "POST", "-H", f"Content-Length: {300 << 20}", "-H",
                          "Expect: 100-continue", PREDICT)
    assert status == 413, answer


def test_answers_are_those_of_grpc(server):
    rows = np.array([[1, 0.1], [-3, 1e-20]], np.float32)
    status, answer = Client(server).post("/demo/echo", {"x": rows.tolist()})
    assert status == 200
    same = server.infer("demo.echo", x=rows)["y"]
    assert np.array_equal(np.array(answer["y"], np.float32), same)


def test_errors_are_those_of_grpc(server):
    client = Client(server)
    status, answer = client.post("/demo/echo", {"x": [[]], "z": 1}, x_request_id="me")
    assert status == 400 and "'demo.echo' has no input 'z'; it has x" in answer["error"]
    assert client.fields["x-request-id"] == "me"
    status, answer = client.post("/demo/echo", {"x": []})
    assert status == 400 and "no rows; send at least one" in answer["error"]
    assert client.ask("GET", "/demo/echo")[0] == 405
    assert client.ask("POST", "/demo/echo", "x", content_type="text/html")[0] == 415
    assert client.ask("POST", "/demo/none", "x")[0] == 404
    assert client.ask("GET", "/" + "x" * 20_000)[0] == 431


def test_a_deadline_passes(server):
    client = Client(server)
    status, answer = client.post("/demo/hold", {"x": [1]}, x_request_timeout="50ms")
    assert status == 504, answer


def test_a_full_queue_is_said(server, gate, journal):
    clients = [Client(server) for _ in range(4)]
    for client in clients[:2]:
        client.send("POST", "/demo/hold", '{"x": [1]}', content_type="application/json")
    assert journal.next() is not None
    # One runs, one waits; which of the next finds the queue full depends on when they come.
    statuses = [clients[2].post("/demo/hold", {"x": [1]}, x_request_timeout="100ms")[0],
                clients[3].post("/demo/hold", {"x": [1]}, x_request_timeout="100ms")[0]]
    assert 429 in statuses and set(statuses) <= {429, 504}
    gate.open()
    assert [client.receive()[0] for client in clients[:2]] == [200, 200]


def test_a_client_that_leaves_frees_its_place(server, gate, journal):
    client = Client(server)
    client.send("POST", "/demo/hold", '{"x": [1]}', content_type="application/json")
    assert journal.next() is not None
    waiting = Client(server)
    waiting.send("POST", "/demo/hold", '{"x": [2]}', content_type="application/json")
    harness.eventually(lambda: Client(server).post(
        "/demo/hold", {"x": [3]}, x_request_timeout="20ms")[0] == 429, what="a full queue")
    waiting.connection.close()
    harness.eventually(lambda: Client(server).post(
        "/demo/hold", {"x": [3]}, x_request_timeout="20ms")[0] == 504, what="a free place")
    gate.open()
    assert client.receive() == (200, {"y": [1]})


def test_health_and_readiness(server):
    client = Client(server)
    assert client.ask("GET", "/healthz") == (200, {"alive": True})
    assert client.ask("GET", "/readyz") == (200, {"ready": True})
    server.worker("wait").kill()
    harness.eventually(lambda: client.ask("GET", "/readyz")[0] == 200, what="the worker's return")


def test_draining_completes_what_is_under_way(server, gate, journal):
    held, idle = Client(server), Client(server)
    assert idle.ask("GET", "/readyz")[0] == 200
    held.send("POST", "/demo/hold", '{"x": [1]}', content_type="application/json")
    assert journal.next() is not None
    server.terminate()
    server.wait_for_line("draining")
    assert idle.connection.sock.recv(1) == b""  # Closed.
    other = Client(server)
    assert other.ask("GET", "/readyz") == (
        503, {"ready": False, "not_ready": ["demo", "demo.same", "demo.wait"]})
    assert other.fields["connection"] == "close"
    status, answer = Client(server).post("/demo/echo", {"x": [[1]]})
    assert status == 503 and "shutting down" in answer["error"]
    gate.open()
    assert held.receive() == (200, {"y": [1]})
    assert server.wait() == 0


def test_a_truncated_body_harms_nobody(server):
    host, port = server.http_address.split(":")
    with socket.create_connection((host, int(port)), timeout=ANSWER_S) as raw:
        raw.sendall(b"POST /demo/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    b"Content-Length: 100\r\n\r\n{\"x\"")
        raw.shutdown(socket.SHUT_WR)
        assert raw.makefile("rb").readline().startswith(b"HTTP/1.1 400 ")
    assert Client(server).ask("GET", "/healthz")[0] == 200


def test_a_port_that_is_taken_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        server = harness.Server(harness.DIGITS_SERVICE, args=["--http-address", address])
        try:
            server.start()
            assert server.wait(harness.START_S) == 1
            assert f"can't listen for HTTP on {address}" in server.said()
        finally:
            server.close()


def test_without_the_flag_there_is_no_http(folder, gate, journal):
    service = SERVICE.format(gate=gate.path, journal=journal.path)
    with harness.Server(service) as server:
        assert server.http_address is None
