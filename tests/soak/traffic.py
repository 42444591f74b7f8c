"""What clients send: each kind with the answer, or the codes, that it has to end with."""

import base64
import dataclasses
import http.client
import importlib
import json
import re
import socket
import struct
import threading
import time
import zlib

import grpc

import harness

Code = grpc.StatusCode
PREDICT, CLASSIFY, FEEL = ("inference_graph_demo.predict", "sentiment_analysis.classify",
                           "sentiment_analysis.sentiment")
PATHS = {PREDICT: "/inference_graph_demo/predict", CLASSIFY: "/sentiment_analysis/classify"}
INPUTS = {PREDICT: "input_image", CLASSIFY: "image", FEEL: "text"}
OUTPUTS = {PREDICT: "verdict", CLASSIFY: "text", FEEL: "label"}
HTTP_CODES = {200: "OK", 400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 413: "TOO_LARGE",
              415: "WRONG_TYPE", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE",
              504: "DEADLINE_EXCEEDED"}
# A good request may have to wait for a worker that starts again.
PATIENCE_S = 30
# Beyond its deadline a call hangs.
SLACK_S = 10
SCORE = re.compile(r"\d\.\d\d")


@dataclasses.dataclass(frozen=True)
class Question:
    model: str
    content: bytes | str
    answer: str

    def is_answered_by(self, text: str) -> bool:
        """Batches of other sizes may change the last bits of a score, and so its rounding."""
        scores = zip(SCORE.findall(text), SCORE.findall(self.answer), strict=False)
        return (SCORE.sub("", text) == SCORE.sub("", self.answer)
                and all(abs(float(one) - float(other)) < 0.011 for one, other in scores))


class Tally:
    """What became of the calls of one kind. From any thread."""

    def __init__(self):
        self._lock = threading.Lock()
        self.sent = self.wrong = self.hanging = 0
        self.codes = {}
        self.faults = []

    def add(self, code: str, fault: str = "", hangs: bool = False) -> None:
        with self._lock:
            self.sent += 1
            self.codes[code] = self.codes.get(code, 0) + 1
            self.wrong += bool(fault)
            self.hanging += hangs
            if fault and len(self.faults) < 5:
                self.faults.append(fault)


def ask(server, question, timeout=PATIENCE_S) -> str:
    outputs = server.infer(question.model, timeout=timeout,
                           **{INPUTS[question.model]: question.content})
    return outputs[OUTPUTS[question.model]][0].decode()


def says_it_is_huge(png: bytes) -> bytes:
    header = b"IHDR" + struct.pack(">II", 60_000, 60_000) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


class Clients:
    """One channel for gRPC, and an HTTP connection for each thread."""

    def __init__(self, server, questions):
        self.server = server
        self.questions = questions
        self.images = [question for question in questions if question.model != FEEL]
        self._local = threading.local()
        digits, sentiment = (importlib.import_module(f"tiffin.services.{name}.service_pb2")
                             for name in ("inference_graph_demo", "sentiment_analysis"))
        stubs = [importlib.import_module(f"tiffin.services.{name}.service_pb2_grpc")
                 for name in ("inference_graph_demo", "sentiment_analysis")]
        self._typed = {
            PREDICT: (stubs[0].InferenceGraphDemoStub(server.channel).Predict,
                      digits.PredictRequest),
            CLASSIFY: (stubs[1].SentimentAnalysisStub(server.channel).Classify,
                       sentiment.ClassifyRequest)}

    # Good ones.

    def typed(self, rng):
        question = rng.choice(self.images)
        method, request = self._typed[question.model]
        reply = method(request(**{INPUTS[question.model]: question.content}), timeout=PATIENCE_S)
        return self._judge(question, getattr(reply, OUTPUTS[question.model]))

    def kserve(self, rng):
        question = rng.choice(self.questions)
        return self._judge(question, ask(self.server, question))

    def stream(self, rng):
        asked = [rng.choice(self.questions) for _ in range(6)]
        call = self.server.kserve.ModelStreamInfer(
            iter([self._request(question) for question in asked]), timeout=PATIENCE_S)
        answers = list(call)
        if len(answers) != len(asked):
            return "OK", f"{len(answers)} answers for {len(asked)} requests of a stream"
        for question, answer in zip(asked, answers, strict=True):
            if answer.error_message:
                return "OK", f"in a stream: {answer.error_message}"
            outputs = harness.outputs_of(answer.infer_response)
            _, fault = self._judge(question, outputs[OUTPUTS[question.model]][0].decode())
            if fault:
                return "OK", fault
        return "OK", ""

    def http(self, rng):
        question = rng.choice(self.images)
        if rng.random() < 0.5:
            body, kind = question.content, "image/png"
        else:
            encoded = base64.b64encode(question.content).decode()
            body, kind = json.dumps({INPUTS[question.model]: encoded}), "application/json"
        status, answer = self._post(PATHS[question.model], body, kind)
        if status != 200:
            return HTTP_CODES.get(status, str(status)), f"HTTP said {status}: {answer}"
        return self._judge(question, json.loads(answer)[OUTPUTS[question.model]])

    # Those that give up, and those that are wrong.

    def cancel(self, rng):
        question = rng.choice(self.questions)
        future = self.server.kserve.ModelInfer.future(self._request(question), timeout=PATIENCE_S)
        ended = threading.Event()
        future.add_done_callback(lambda _: ended.set())
        ended.wait(rng.choice((0, 0.001, 0.01, 0.1)))
        future.cancel()
        return self._one_of(question, future, {Code.CANCELLED})

    def hurry(self, rng):
        question = rng.choice(self.questions)
        future = self.server.kserve.ModelInfer.future(
            self._request(question), timeout=rng.choice((0.000_1, 0.001, 0.005, 0.02)))
        return self._one_of(question, future, {Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED})

    def bad_grpc(self, rng):
        image = self.images[0].content
        infer = "/inference.GRPCInferenceService/ModelInfer"
        wrong_type = harness.infer_request(PREDICT)
        harness.add_input(wrong_type, INPUTS[PREDICT], "FP32", [1], b"1234")
        cases = [
            (infer, harness.infer_request(PREDICT, input_image=b"no image"), "INVALID_ARGUMENT"),
            (infer, harness.infer_request(CLASSIFY, image=b"no image"), "INVALID_ARGUMENT"),
            (infer, harness.infer_request(PREDICT, input_image=image[:60]), "INVALID_ARGUMENT"),
            (infer, harness.infer_request(PREDICT, input_image=says_it_is_huge(image)),
             "INVALID_ARGUMENT"),
            (infer, harness.infer_request(PREDICT, input_image=bytes(4 << 20)),
             "INVALID_ARGUMENT"),
            (infer, harness.infer_request(PREDICT, nothing=image), "INVALID_ARGUMENT"),
            (infer, harness.infer_request(f"{PREDICT}.not", input_image=image), "NOT_FOUND"),
            (infer, wrong_type, "INVALID_ARGUMENT"),
            (infer, b"\x0a\x05ab", "INVALID_ARGUMENT"),
            ("/tiffin.services.inference_graph_demo.InferenceGraphDemo/Predict", b"",
             "INVALID_ARGUMENT"),
            ("/tiffin.services.inference_graph_demo.InferenceGraphDemo/Nothing", b"",
             "UNIMPLEMENTED"),
        ]
        method, message, expected = rng.choice(cases)
        content = message if isinstance(message, bytes) else message.SerializeToString()
        call = self.server.channel.unary_unary(
            method, request_serializer=bytes, response_deserializer=bytes)
        try:
            call(content, timeout=PATIENCE_S)
        except grpc.RpcError as error:
            code = error.code().name
            return code, "" if code == expected else f"{code}, not {expected}: {error.details()}"
        return "OK", f"a bad request to {method} was answered, and not {expected}"

    def bad_http(self, rng):
        cases = [(PATHS[PREDICT], b"no image", "image/png", 400),
                 (PATHS[CLASSIFY], b"no image", "image/png", 400),
                 (PATHS[PREDICT], b"{", "application/json", 400),
                 (PATHS[PREDICT], b"x", "text/html", 415),
                 ("/nobody/here", b"x", "image/png", 404),
                 (None, b"", "", 413), (None, b"", "", 400)]
        path, body, kind, expected = rng.choice(cases)
        if path is not None:
            status, answer = self._post(path, body, kind)
        else:
            status, answer = self._broken(expected), ""
        code = HTTP_CODES.get(status, str(status))
        return code, "" if status == expected else f"HTTP said {status}, not {expected}: {answer}"

    # Parts of them.

    def hang_up(self):
        """Closes the calling thread's connection."""
        if getattr(self._local, "connection", None) is not None:
            self._local.connection.close()

    @staticmethod
    def _request(question):
        return harness.infer_request(question.model, **{INPUTS[question.model]: question.content})

    @staticmethod
    def _judge(question, text):
        if question.is_answered_by(text):
            return "OK", ""
        return "OK", f"'{text}' from {question.model}, not '{question.answer}'"

    def _one_of(self, question, future, codes):
        try:
            outputs = harness.outputs_of(future.result(PATIENCE_S + SLACK_S))
        except grpc.FutureCancelledError:
            return "CANCELLED", "" if Code.CANCELLED in codes else "cancelled by nobody"
        except grpc.RpcError as error:
            code = error.code()
            return code.name, "" if code in codes else f"{code.name}: {error.details()}"
        return self._judge(question, outputs[OUTPUTS[question.model]][0].decode())

    def _post(self, path, body, kind):
        if getattr(self._local, "connection", None) is None:
            host, port = self.server.http_address.split(":")
            self._local.connection = http.client.HTTPConnection(
                host, int(port), timeout=PATIENCE_S + SLACK_S)
        connection = self._local.connection
        try:
            connection.request("POST", path, body, {"content-type": kind,
                                                    "x-request-timeout": f"{PATIENCE_S}s"})
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        except BaseException:
            connection.close()  # The next request opens it again.
            raise

    def _broken(self, expected):
        """Sends too much, announced, or breaks off: the status."""
        host, port = self.server.http_address.split(":")
        head = f"POST {PATHS[PREDICT]} HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
        with socket.create_connection((host, int(port)), PATIENCE_S) as raw:
            if expected == 413:
                raw.sendall(f"{head}Content-Length: {300 << 20}\r\n"
                            "Expect: 100-continue\r\n\r\n".encode())
            else:
                raw.sendall(f"{head}Content-Length: 1000\r\n\r\nhalf".encode())
                raw.shutdown(socket.SHUT_WR)
            return int(raw.makefile("rb").readline().split()[1])


# Kind -> calls a second of its own clients.
RATES = {"typed": 12, "kserve": 16, "stream": 3, "http": 12, "cancel": 8, "hurry": 8,
         "bad_grpc": 12,
         "bad_http": 8}
THREADS = 3  # Of a kind, each with its share of the rate.


class Traffic:
    """All kinds at the same time, each thread by a clock of its own, whatever became of the call
    before. A context manager: leaving it waits for all calls, and counts those that hang."""

    def __init__(self, clients, tallies, random_of, seconds):
        self._clients = clients
        self._stop = time.monotonic() + seconds
        self._threads = [
            threading.Thread(target=self._run, daemon=True, name=f"{kind}-{index}",
                             args=(getattr(clients, kind), tallies[kind],
                                   random_of(f"{kind}-{index}"), RATES[kind] / THREADS))
            for kind in RATES for index in range(THREADS)]
        self._tallies = tallies

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        give_up = self._stop + PATIENCE_S + 2 * SLACK_S
        for thread in self._threads:
            thread.join(max(0, give_up - time.monotonic()))
            if thread.is_alive():
                kind = thread.name.rpartition("-")[0]
                self._tallies[kind].add("NONE", f"a call of {thread.name} never ended", hangs=True)

    def _run(self, make, tally, rng, rate):
        due = time.monotonic() + rng.expovariate(rate)
        while due < self._stop:
            time.sleep(max(0, due - time.monotonic()))  # The load's own pace.
            started = time.monotonic()
            try:
                code, fault = make(rng)
            except grpc.RpcError as error:
                code, fault = error.code().name, f"{error.code().name}: {error.details()}"
            except (OSError, http.client.HTTPException) as error:
                code, fault = type(error).__name__, f"HTTP: {error!r}"
            except Exception as error:  # pylint: disable=broad-exception-caught
                code, fault = type(error).__name__, f"{make.__name__}: {error!r}"
            took = time.monotonic() - started
            hangs = took > PATIENCE_S + SLACK_S
            tally.add(code, fault or (f"a call took {took:.1f} s" if hangs else ""), hangs)
            due = max(due + rng.expovariate(rate), time.monotonic() - 1)
        self._clients.hang_up()
