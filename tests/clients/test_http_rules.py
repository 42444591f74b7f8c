"""What RFC 9110 and RFC 9112 ask of a server, with requests that proper clients don't make."""

import gzip
import http.client
import io
import json
import socket

import pytest

import harness
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
BODY = b'{"x": [[1, 2]]}'
ANSWER = {"y": [[1, 2]]}
# If a server takes this for a request, it has been smuggled.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def server():
    with harness.Server(SERVICE, args=["--http-address", "127.0.0.1:0"]) as made:
        yield made


class Answer:
    """What `read` has next."""

    def __init__(self, read, method="POST"):
        self.version, status = read.readline().split()[:2]
        self.status = int(status)
        self.headers = http.client.parse_headers(read)
        self.content = b"" if method == "HEAD" else read.read(int(self.headers["Content-Length"]))

    def json(self):
        return json.loads(self.content)


def connect(server):
    host, port = server.http_address.split(":")
    return socket.create_connection((host, int(port)), timeout=ANSWER_S)


def answers(server, text, method="POST"):
    """All that the server says to `text`, which makes it close the connection in the end."""
    with connect(server) as raw:
        raw.sendall(text)
        said = io.BytesIO(raw.makefile("rb").read())
    found = []
    while said.tell() < len(said.getbuffer()):
        found.append(Answer(said, method))
    return found


def request(*lines, start="POST /demo/echo HTTP/1.1", body=BODY, last=True):
    length = () if any("transfer-encoding" in line.lower() for line in lines) else (
        f"Content-Length: {len(body)}",)
    end = ("Connection: close",) if last else ()
    fields = ("Content-Type: application/json", *length, *end, *lines, "", "")
    return "\r\n".join((start, *fields)).encode() + body


def the_answer(server, text, method="POST"):
    (answer,) = answers(server, text, method)
    return answer


def ask(server, *lines, **parts):
    """One request with a Host, and its answer, the only one."""
    return the_answer(server, request("Host: x", *lines, **parts))


CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)


@pytest.mark.parametrize("lines, status, word", [
    (["Transfer-Encoding: gzip"], 501, "chunked"),
    (["Transfer-Encoding: gzip, chunked"], 501, "chunked"),
    (["Transfer-Encoding: chunked, gzip"], 501, "chunked"),
    (["Transfer-Encoding: identity"], 501, "chunked"),
    (["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"], 501, "chunked"),
    (["Transfer-Encoding: chunked;q=1"], 501, "chunked"),
    (["Transfer-Encoding: xchunked"], 501, "chunked"),
    (["Transfer-Encoding:"], 400, "Transfer-Encoding"),
    (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], 400, ""),
    (["Transfer-Encoding: chunked, chunked"], 501, "chunked"),
    (["Transfer-Encoding: gzip", "Content-Length: 5"], 400, "Content-Length"),
    (["Content-Length: 5", "Transfer-Encoding: gzip"], 400, ""),
    (["Content-Length: 5", "Transfer-Encoding: chunked"], 400, ""),
    (["Transfer-Encoding: chunked", "Content-Length: 5"], 400, ""),
    (["Transfer-Encoding : chunked"], 400, ""),
], ids=str)
def test_other_transfer_codings_are_refused_and_nothing_is_smuggled(server, lines, status, word):
    answer = the_answer(server, request("Host: x", *lines, body=CHUNKED, last=False) + SMUGGLED)
    assert answer.status == status and word in answer.json()["error"], answer.json()
    assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize("lines", [
    ["Content-Length: 5", "Content-Length: 6"], ["Content-Length: 5, 6"], ["Content-Length: +5"],
    ["Content-Length: -1"], ["Content-Length: 0x5"], ["Content-Length: 5 5"],
    ["Content-Length: 99999999999999999999"], ["Content-Length:"]], ids=str)
def test_lengths_that_are_none_or_two_are_refused(server, lines):
    head = "\r\n".join(["POST /demo/echo HTTP/1.1", "Host: x", *lines, "", ""]).encode()
    assert the_answer(server, head + b"12345" + SMUGGLED).status == 400


def test_chunks_belong_to_http_1_1(server):
    assert ask(server, "Transfer-Encoding: Chunked", body=CHUNKED).json() == ANSWER
    answer = ask(server, "Transfer-Encoding: chunked", start="POST /demo/echo HTTP/1.0",
                 body=CHUNKED + SMUGGLED, last=False)
    assert answer.status == 400 and "HTTP/1.0" in answer.json()["error"]


def test_what_trails_chunks_is_of_no_account(server):
    trailed = b"%x;name=value\r\n%s\r\n0\r\nHost: y\r\nExpect: z\r\nX-Request-Id: t\r\n\r\n" % (
        len(BODY), BODY)
    answer = ask(server, "Transfer-Encoding: chunked", "X-Request-Id: h", body=trailed)
    assert answer.json() == ANSWER and answer.headers["x-request-id"] == "h"


def test_only_one_expectation_can_be_met(server):
    for lines in (["Expect: 200-maybe"], ["Expect: 100-continue, 200-maybe"],
                  ["Expect: 100-continue", "Expect: 200-maybe"]):
        assert ask(server, *lines).status == 417, lines
        assert the_answer(server, request("Host: x", *lines, start="GET /healthz HTTP/1.1",
                                          body=b"")).status == 417, lines
    with connect(server) as raw:
        raw.sendall(request("Host: x", "Expect: 100-Continue", body=b"").replace(
            b"Content-Length: 0", b"Content-Length: %d" % len(BODY)))
        read = raw.makefile("rb")
        assert read.readline() == b"HTTP/1.1 100 Continue\r\n" and read.readline() == b"\r\n"
        raw.sendall(BODY)
        assert Answer(read).json() == ANSWER


def test_http_1_0_expects_nothing(server):
    with connect(server) as raw:
        whole = request("Expect: 100-continue", start="POST /demo/echo HTTP/1.0")
        head, _, body = whole.rpartition(b"\r\n\r\n")
        raw.sendall(head + b"\r\n\r\n" + body)
        assert raw.makefile("rb").readline() .startswith(b"HTTP/1.0 200 ")


@pytest.mark.parametrize("target", [
    "http://x/demo/echo", "HTTP://127.0.0.1:8000/demo/echo?a=b", "https://[::1]:8000/demo/echo"])
def test_a_target_may_have_its_authority(server, target):
    assert ask(server, start=f"POST {target} HTTP/1.1").json() == ANSWER


@pytest.mark.parametrize("target, status", [
    ("http://x", 404), ("http://x?a=b", 404), ("http:///demo/echo", 400), ("http://", 400),
    ("ftp://x/demo/echo", 400), ("demo/echo", 400), ("http://me@x/demo/echo", 400),
    ("//x/demo/echo", 404), ("*", 400)])
def test_other_targets_are_refused(server, target, status):
    answer = ask(server, start=f"POST {target} HTTP/1.1")
    assert answer.status == status, answer.json()


def test_there_is_no_tunnel(server):
    answer = ask(server, start="CONNECT x:80 HTTP/1.1", body=b"")
    assert answer.status == 501 and "proxy" in answer.json()["error"]


@pytest.mark.parametrize("lines, word", [
    ([], "no Host"), (["Host: x", "Host: x"], "2 Hosts"), (["Host: x", "host: y"], "2 Hosts"),
    (["Host: a b"], "Host"), (["Host: http://x"], "Host"), (["Host: x, y"], "Host"),
    (["Host: x/y"], "Host"), (["Host: me@x"], "Host"), (["Host: x:y"], "Host")], ids=str)
def test_http_1_1_has_one_host(server, lines, word):
    answer = the_answer(server, request(*lines))
    assert answer.status == 400 and word in answer.json()["error"], answer.json()


@pytest.mark.parametrize("lines, version", [
    ([], "1.0"), (["Host: x"], "1.0"), (["Host:"], "1.1"), (["Host: [::1]:8000"], "1.1"),
    (["Host: 127.0.0.1:8000"], "1.1"), (["Host: a-b_c.d%20"], "1.1")], ids=str)
def test_hosts_that_are_well(server, lines, version):
    text = request(*lines, start=f"POST /demo/echo HTTP/{version}")
    assert the_answer(server, text).json() == ANSWER


def test_codings_of_content_are_counted_over_all_lines(server):
    coded = gzip.compress(BODY)
    for lines in (["Content-Encoding: gzip"], ["Content-Encoding: identity, gzip"],
                  ["Content-Encoding:", "Content-Encoding: gzip"],
                  ["Content-Encoding: gzip", "Content-Encoding: identity"],
                  ["Content-Encoding: , x-GZIP,"]):
        assert ask(server, *lines, body=coded).json() == ANSWER, lines
    for lines in (["Content-Encoding: gzip", "Content-Encoding: br"],
                  ["Content-Encoding: br", "Content-Encoding: gzip"],
                  ["Content-Encoding: gzip", "Content-Encoding: gzip"],
                  ["Content-Encoding: gzip, deflate"]):
        answer = ask(server, *lines, body=coded)
        assert answer.status == 415, lines
        assert answer.headers["Accept-Encoding"] == "gzip, deflate"


def test_options_are_told(server):
    def allowed(path):
        answer = the_answer(server, request("Host: x", start=f"OPTIONS {path} HTTP/1.1", body=b""))
        assert answer.content == b"", answer.content
        assert answer.headers["Content-Length"] == "0" and "Content-Type" not in answer.headers
        return answer.status, answer.headers["Allow"]

    assert allowed("/demo/echo") == (200, "POST, OPTIONS")
    assert allowed("/healthz") == (200, "GET, HEAD, OPTIONS")
    assert allowed("/v2/models/demo.echo/infer") == (200, "POST, OPTIONS")
    assert allowed("*") == (200, "GET, HEAD, POST, OPTIONS")
    answer = the_answer(server, request("Host: x", start="OPTIONS /none HTTP/1.1", body=b""))
    assert answer.status == 404


def test_head_is_get_without_the_content(server):
    for path in ("/healthz", "/openapi.json", "/v2", "/none", "/demo/echo"):
        text = request("Host: x", start=f"GET {path} HTTP/1.1", body=b"")
        get = the_answer(server, text, "GET")
        head = the_answer(server, text.replace(b"GET", b"HEAD", 1), "HEAD")
        assert head.content == b"" and head.status == get.status, path
        if get.status == 200:
            assert head.headers["Content-Length"] == str(len(get.content)), path
        for field in ("Content-Type", "Allow"):
            assert head.headers[field] == get.headers[field], path


@pytest.mark.parametrize("version, status", [("2.0", 505), ("1.2", 505), ("0.9", 505)])
def test_other_versions_are_refused(server, version, status):
    assert ask(server, start=f"GET /healthz HTTP/{version}", body=b"").status == status
