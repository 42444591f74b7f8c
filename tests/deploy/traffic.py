"""Clients of several gateways, as a Service deals them out."""

import itertools
import threading

import grpc
from tritonclient.grpc import service_pb2_grpc

import harness

DIGIT = (harness.IMAGES / "digit_7.png").read_bytes()
NOTE = (harness.TEXT_IMAGES / "serif.png").read_bytes()
# Of the two services, what is asked and what must be answered.
PREDICT = ("inference_graph_demo.predict", {"input_image": DIGIT},
           {"verdict": [b"7 (agree: model_a 7 1.00, model_b 7 1.00)"]})
CLASSIFY = ("sentiment_analysis.classify", {"image": NOTE},
            {"text": [b'NEGATIVE 0.98: "The soup was cold and the waiter was rude."']})


class Traffic:
    """Threads that call the gateways in turns, one request after the other, and look at every
    answer. A context manager: leaving it ends them after their last answer."""

    def __init__(self, addresses, questions, clients=4):
        """`questions`: (model, its inputs, what must be answered)."""
        self._addresses = list(addresses)
        self._questions = questions
        self._lock = threading.Lock()
        self._turn = itertools.count()
        self._ending = threading.Event()
        self.answered = {}  # By address.
        self.failed = []
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def route(self, addresses):
        """From now on, requests go to these."""
        with self._lock:
            self._addresses = list(addresses)

    def count(self, address):
        with self._lock:
            return self.answered.get(address, 0)

    def _run(self):
        channels = {}
        while not self._ending.is_set():
            with self._lock:
                turn = next(self._turn)
                address = self._addresses[turn % len(self._addresses)]
            if address not in channels:
                channels[address] = grpc.insecure_channel(
                    address, options=[("grpc.use_local_subchannel_pool", 1)])
            self._ask(channels[address], address, self._questions[turn % len(self._questions)])
        for channel in channels.values():
            channel.close()

    def _ask(self, channel, address, question):
        model, inputs, expected = question
        try:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            request = harness.infer_request(model, **inputs)
            outputs = harness.outputs_of(stub.ModelInfer(request, timeout=harness.ANSWER_S))
            failure = None if outputs == expected else f"answered {outputs}"
        except grpc.RpcError as error:
            failure = f"{error.code()}: {error.details()}"
        with self._lock:
            if failure is None:
                self.answered[address] = self.answered.get(address, 0) + 1
            else:
                self.failed.append(f"{address}, {model}: {failure}")

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        for thread in self._threads:
            thread.join()
