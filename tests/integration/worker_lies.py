"""The lies of lying_worker.py, by their names: each is told what call it was asked in."""

import os
import signal

import session_lies
from session_end import NO_SESSION, sealed, worker_pb2

LIES = {}


def lie(function):
    LIES[function.__name__] = function
    return function


def about_a_tensor(name, change):
    def tell(session, call):
        frame = session.result(call, bytes(1024))
        change(frame.result.outputs[0])
        session.send(frame)

    LIES[name] = tell


def about_the_session(name, tell):
    LIES[name] = lambda session, call: tell(session)


for told, by in session_lies.OF_TENSORS.items():
    about_a_tensor(told, by)
for told, by in session_lies.OF_SESSIONS.items():
    about_the_session(told, by)


@lie
def outputs_none(session, call):
    frame = session.result(call, bytes(1024))
    del frame.result.outputs[:]
    session.send(frame)


@lie
def outputs_many(session, call):
    frame = session.result(call, bytes(1024))
    for _ in range(10_000):
        frame.result.outputs.add().CopyFrom(frame.result.outputs[0])
    session.send(frame)


@lie
def error_with_outputs(session, call):
    frame = session.result(call, bytes(1024))
    frame.result.code = 3
    session.send(frame)


@lie
def error_unknown(session, call):
    session.send(worker_pb2.Frame(result={"call": call, "code": 4_000_000_000}))


@lie
def error_of_garbage(session, call):
    session.send(worker_pb2.Frame(
        result={"call": call, "code": 13, "message": b"\xff\0\r\n" * 1_000_000}))


@lie
def times_absurd(session, call):
    frame = session.result(call, bytes(1024))
    for name in ("queue_us", "compute_us", "batch_us", "executed_rows"):
        setattr(frame.result, name, (1 << 64) - 1)
    session.send(frame)


@lie
def output_in_pieces(session, call):
    frame = worker_pb2.Frame(result={"call": call})
    frame.result.outputs.add(dtype=1, shape=[1, 1024], size=1024, in_pieces=True)
    session.send(frame)


@lie
def result_unasked(session, call):
    session.send(session.result(call + 1_000_000, b"x"))


@lie
def result_again(session, call):
    session.send(session.result(session.last, b"again"))


@lie
def results_parked(session, call):
    """Each names a segment that never comes."""
    frame = session.result(call, bytes(1024))
    frame.result.outputs[0].segment = 77
    for _ in range(1000):
        session.send(*[frame] * 100)


@lie
def frame_for_workers(session, call):
    session.send(worker_pb2.Frame(cancel={"call": call}))


@lie
def hello_twice(session, call):
    del call
    session.stream(hello=session.worker.hello(session))


@lie
def other_carrier(session, call):
    session.send_on_the_other_carrier(session.result(call, b"x"))


@lie
def page_twice(session, call):
    del call
    for _ in range(2):
        session.announce(NO_SESSION, sealed(4096)[0], size=4096)


@lie
def silence(session, call):
    """Of this call only."""


@lie
def no_heartbeat(session, call):
    del call
    session.silent = True


@lie
def stopped(session, call):
    del session, call
    os.kill(os.getpid(), signal.SIGSTOP)


@lie
def states_many(session, call):
    for _ in range(2000):
        session.out.put(worker_pb2.Frames(
            frames=[worker_pb2.Frame(state={"queued": 4_000_000_000})] * 50).SerializeToString())
    session.send(session.result(call, b"after all"))


def hello_lie(name):
    """The next life of this worker begins with it."""

    def tell(session, call):
        del call
        session.worker.next_hello.write_text(name)
        os._exit(1)

    LIES[name] = tell


HELLOS = {
    "hello_of_no_json": lambda hello: setattr(hello, "description", "{"),
    "hello_of_deep_json": lambda hello: setattr(hello, "description", "[" * 5_000_000),
    "hello_of_another_version": lambda hello: setattr(hello, "protocol_version", 77),
}
for told in HELLOS:
    hello_lie(told)
