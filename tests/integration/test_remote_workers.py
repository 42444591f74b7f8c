"""Workers that somebody else starts: on this machine's sockets, and on TCP."""

import contextlib
import json
import os
import signal
import socket
import time

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import harness
from authority import Authority
from harness import ANSWER_S, BIN, eventually, refused
from prometheus_text import await_value
from remote import LARGE, ROW, Load, Names, Worker, answers, service

Code = grpc.StatusCode


@pytest.fixture(params=["unix", "tcp"])
def kind(request):
    return request.param


@pytest.fixture
def listen(kind, folder):
    """Where the next worker listens."""
    count = iter(range(100))
    return lambda: f"unix:{folder}/w{next(count)}" if kind == "unix" else "127.0.0.1:0"


def health(server, name="away"):
    stub = health_pb2_grpc.HealthStub(server.channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=ANSWER_S)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def answers_now(server, array=ROW):
    with contextlib.suppress(grpc.RpcError):
        return answers(server, array)
    return False


def error_of(server):
    with pytest.raises(grpc.RpcError) as error:
        server.infer("away.call_echo", x=ROW)
    return error.value.details()


@pytest.mark.parametrize("args", [[], ["--loops", "2"], ["--worker-transport", "grpc"]], ids=str)
def test_calls_go_there_and_back(listen, folder, args):
    with Worker("echo", listen(), folder=folder) as worker:
        with harness.Server(service(echo=worker.address), args=args) as server:
            assert answers(server) and answers(server, LARGE)
            assert health(server) == health(server, "") == "SERVING"
            assert server.workers() == []
        assert not harness.Process(worker.pid).gone(), "the gateway ended a worker of somebody's"


def test_tensors_pass_between_workers_of_all_kinds(folder):
    """From one that shares memory to one that doesn't, and back."""
    text = """
service: away
runners:
  here: {{backend: testing, options: {{behavior: identity, shape: [-1]}}}}
  echo: {{endpoints: ["{tcp}"]}}
  twin: {{endpoints: ["{unix}"]}}
apis:
  around:
    input: {{x: "fp32[rows,-1]"}}
    steps:
      a: here(x)
      b: echo(a)
      c: twin(b)
      d: echo(c)
      e: here(d)
    output: {{y: e, z: c}}
"""
    with (Worker("echo", "127.0.0.1:0", folder=folder) as tcp,
          Worker("twin", f"unix:{folder}/w", folder=folder) as unix,
          harness.Server(text.format(tcp=tcp.address, unix=unix.address)) as server):
        for array in (ROW, LARGE, np.vstack([LARGE[:, :1000]] * 40)):
            got = server.infer("away.around", x=array)
            assert np.array_equal(got["y"], array) and np.array_equal(got["z"], array)


@pytest.mark.parametrize("elements", [0, 1, 128, 129, 65_536, 65_537, 1 << 20, 16 << 20])
def test_sizes_over_tcp(sized, elements):
    array = np.arange(elements, dtype=np.float32).reshape(1, -1)
    assert answers(sized, array)


@pytest.fixture(scope="module")
def sized(module_folder):
    with (Worker("echo", "127.0.0.1:0", folder=module_folder) as worker,
          harness.Server(service(echo=worker.address)) as server):
        yield server


def test_the_gateway_starts_without_them(listen, folder):
    worker = Worker("echo", listen(), folder=folder)
    with worker:  # To learn its port.
        address = worker.address
    with harness.Server(service(echo=address), args=["--http-address", "127.0.0.1:0"]) as server:
        with refused(Code.UNAVAILABLE, "runner 'echo'", "no worker at", "has attached yet"):
            server.infer("away.call_echo", x=ROW)
        with refused(Code.UNAVAILABLE, "has attached yet"):
            server.infer("call_echo", x=ROW)
        typed = server.channel.unary_unary("/tiffin.services.away.Away/CallEcho")
        with refused(Code.UNAVAILABLE, "has attached yet"):
            typed(b"", timeout=ANSWER_S)
        with refused(Code.NOT_FOUND):
            server.infer("elsewhere.call_echo", x=ROW)
        assert health(server) == health(server, "") == "NOT_SERVING"
        watch = health_pb2_grpc.HealthStub(server.channel).Watch(
            health_pb2.HealthCheckRequest(service="away"), timeout=ANSWER_S)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        with worker:
            server.wait_for_line(r"attached to the worker at \S+, which runs the backend testing")
            server.wait_for_line("service 'away' have attached")
            # What was asked before sees it, too.
            assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
            assert answers(server)
            assert health(server) == "SERVING"
            with refused(Code.INVALID_ARGUMENT):  # It is served: this is no message of it.
                typed(b"\xff", timeout=ANSWER_S)


def test_one_that_does_not_fit_is_told_of_and_waited_for(listen, folder):
    wrong = Worker("echo", listen(), folder=folder)
    wrong_file = folder / "wrong.yaml"
    wrong_file.write_text(wrong.file.read_text().replace("fp32", "int32"))
    wrong.file = wrong_file
    with wrong:
        with harness.Server(service(echo=wrong.address)) as server:
            with refused(Code.FAILED_PRECONDITION, "service0.yaml", "int32"):
                server.infer("away.call_echo", x=ROW)
            server.wait_for_line("not served yet: .*int32")
            assert health(server) == "NOT_SERVING"
            wrong.kill()
            wrong.file = wrong.files[0]  # Somebody mends it.
            wrong.restart()
            eventually(lambda: answers_now(server), what="the right worker's answer")
            # And one that is wrong later is refused, and nothing else.
            wrong.kill()
            wrong.file = wrong_file
            wrong.restart()
            server.wait_for_line("another signature")
            with refused(Code.UNAVAILABLE, within=20):
                server.infer("away.call_echo", x=ROW)


def test_another_runners_worker_is_refused_though_its_signature_fits(listen, folder):
    worker = Worker("twin", listen(), folder=folder)
    said = "runs 'twin' of service 'away'; start it with --runner echo, or correct 'endpoints'"
    with worker, harness.Server(service(echo=worker.address)) as server:
        with refused(Code.FAILED_PRECONDITION, "runner 'echo': the worker at", said):
            server.infer("away.call_echo", x=ROW)
        server.wait_for_line(f"no session with a worker at .*: it {said}")
        assert health(server) == "NOT_SERVING"
        worker.kill()
        eventually(lambda: "has attached yet" in error_of(server), what="that nobody is there")
        worker.runner = "echo"
        worker.restart()
        eventually(lambda: answers_now(server), what="the right worker's answer")


def test_another_runners_worker_stops_none_that_is_right(listen, folder):
    with (Worker("twin", listen(), folder=folder) as wrong,
          Worker("echo", listen(), folder=folder) as right,
          harness.Server(service(echo=[wrong.address, right.address])) as server):
        assert all(answers(server) for _ in range(4))
        server.wait_for_line("no session with a worker at .*: it runs 'twin'")


def test_a_worker_may_be_of_another_service(folder):
    worker = Worker("echo", f"unix:{folder}/w", folder=folder)
    worker.file.write_text(worker.file.read_text().replace("service: away", "service: shared"))
    with worker, harness.Server(service(echo=worker.address)) as server:
        server.wait_for_line("which runs the backend testing, of service 'shared'")
        assert answers(server)


def test_a_worker_describes_whose_it_is(folder):
    file = Worker("echo", "", folder=folder).file
    ended = harness.run(BIN / "tiffin-worker-testing", "--service", file, "--runner", "echo",
                        "--describe")
    described = json.loads(ended.stdout)
    assert (described["service"], described["runner"]) == ("away", "echo")


def test_killed_and_started_again_under_load_nothing_is_lost(listen, folder):
    with (Worker("echo", listen(), folder=folder) as one,
          Worker("echo", listen(), folder=folder) as two,
          harness.Server(service(echo=[one.address, two.address])) as server):
        with Load(server) as load:
            for worker in (one, two, one):
                load.more()
                seen = len(server.lines)
                worker.kill()
                load.more()
                worker.restart()
                server.wait_for_line("attached to the worker", since=seen)
            load.more()
        assert load.failures == []


def test_the_only_one_is_waited_for(listen, folder):
    with (Worker("echo", listen(), folder=folder) as worker,
          harness.Server(service(echo=worker.address)) as server):
        assert answers(server)
        worker.kill()
        server.wait_for_line("lost the worker")
        future = server.infer_later("away.call_echo", x=ROW)
        worker.restart()
        assert np.array_equal(harness.outputs_of(future.result(ANSWER_S))["y"], ROW)


def test_one_that_is_silent_is_left_and_never_killed(listen, folder):
    with (Worker("echo", listen(), folder=folder) as one,
          Worker("echo", listen(), folder=folder) as two,
          harness.Server(service(echo=[one.address, two.address])) as server):
        assert answers(server)
        one.signal(signal.SIGSTOP)
        try:
            with Load(server, clients=2) as load:
                server.wait_for_line("silent for 2 s")
                load.more()
            assert load.failures == []
        finally:
            seen = len(server.lines)
            one.signal(signal.SIGCONT)
        server.wait_for_line("attached to the worker", since=seen)
        assert answers(server)
        assert one._popen.poll() is None


def test_two_gateways_share_a_worker(listen, folder):
    with Worker("echo", listen(), folder=folder) as worker:
        text = service(echo=worker.address)
        with harness.Server(text) as first, harness.Server(text) as second:
            with Load(first, clients=2) as load:
                for _ in range(10):
                    assert answers(second, LARGE)
                second.kill()
                load.more()
                with harness.Server(text) as third:
                    assert answers(third, LARGE)
            assert load.failures == []


def test_gateways_take_turns_however_much_one_has_waiting(listen, folder, gate, journal):
    with Worker("hold", listen(), folder=folder, gate=gate.path, journal=journal.path) as worker:
        text = service(hold=worker.address)

        def later(server, values):
            return [server.infer_later("away.call_hold", x=np.array([[value]], np.float32))
                    for value in values]

        http = ["--http-address", "127.0.0.1:0"]
        with harness.Server(text, args=http) as busy, harness.Server(text, args=http) as other:
            futures = later(busy, [0])
            assert journal.next().first == "0"  # It executes; all else waits.
            futures += later(busy, range(1, 21))
            await_value(busy, 20, "tiffin_replica_calls_queued")
            futures += later(other, range(101, 104))
            await_value(other, 23, "tiffin_replica_calls_queued")  # The worker's, of both.
            gate.open()
            for future in futures:
                future.result(ANSWER_S)
        order = [int(entry.first) for entry in journal.all_so_far()]
    # In the order that gRPC brought each gateway's, one by one of each as long as both have some.
    assert [value > 100 for value in order] == [False, True] * 3 + [False] * 17
    assert sorted(order) == [*range(1, 21), *range(101, 104)]


def test_what_is_cancelled_or_late_leaves_nothing(listen, folder, gate, journal):
    with (Worker("hold", listen(), folder=folder, gate=gate.path, journal=journal.path) as worker,
          harness.Server(service(hold=worker.address),
                         args=["--http-address", "127.0.0.1:0"]) as server):
        first = server.infer_later("away.call_hold", x=LARGE)
        assert journal.next() is not None
        second = server.infer_later("away.call_hold", x=LARGE)
        second.cancel()
        with refused(Code.DEADLINE_EXCEEDED):
            server.infer("away.call_hold", x=LARGE, timeout=0.3)
        await_value(server, 1, "tiffin_replica_calls_in_flight")  # The worker has ended the others.
        gate.open()
        assert np.array_equal(harness.outputs_of(first.result(ANSWER_S))["y"], LARGE)
        assert np.array_equal(server.infer("away.call_hold", x=ROW)["y"], ROW)
        # The ones in between never ran.
        assert [entry.rows for entry in journal.all_so_far()] == [1]


def test_many_cancelled_on_their_way(folder):
    """Inputs, or outputs, that come in pieces when nobody wants them any more."""
    array = np.arange(4 << 20, dtype=np.float32).reshape(1, -1)
    with (Worker("echo", "127.0.0.1:0", folder=folder) as worker,
          harness.Server(service(echo=worker.address)) as server):
        for delay in [0, 0.001, 0.005, 0.01, 0.02, 0.03, 0.04, 0.06] * 2:
            future = server.infer_later("away.call_echo", x=array)
            time.sleep(delay)  # Each time somewhere else on its way.
            future.cancel()
        assert answers(server, array)
        assert not [line for line in server.lines if "lost the worker" in line]


def test_addresses_of_a_name_come_and_go(folder):
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(Worker("echo", "127.0.0.1:0", folder=folder))
        port = first.address.rpartition(":")[2]
        second = stack.enter_context(Worker("echo", f"127.0.0.2:{port}", folder=folder))
        names = stack.enter_context(Names())
        endpoint = f"dns://{names.address}/model-a.test:{port}"
        server = stack.enter_context(harness.Server(service(echo=endpoint)))
        with refused(Code.UNAVAILABLE, endpoint):
            server.infer("away.call_echo", x=ROW)
        server.wait_for_line("no addresses of 'model-a.test'")
        names.addresses["model-a.test"] = ["127.0.0.1"]
        server.wait_for_line(f"attached to the worker at ipv4:127.0.0.1:{port}")
        eventually(lambda: answers_now(server), what="an answer of the first")
        with Load(server, clients=2) as load:
            names.addresses["model-a.test"] = ["127.0.0.2"]
            server.wait_for_line(f"attached to the worker at ipv4:127.0.0.2:{port}")
            load.more()
            first.kill()  # Nobody is there any more.
            load.more()
            names.addresses.clear()  # A name that is lost takes nothing away.
            names.asked.clear()
            assert names.asked.wait(ANSWER_S)
            load.more()
        assert load.failures == []
        assert second._popen.poll() is None


def test_a_token_is_wanted(folder):
    tokens = folder / "tokens.yaml"
    secrets = []
    for name, services in (("gateway", "away"), ("stranger", "elsewhere")):
        made = harness.run(harness.TIFFIN, "token", name, "--service", services, "--append", tokens)
        assert made.returncode == 0, made.stderr
        secrets.append(made.stdout.strip())
    token = folder / "token"
    with Worker("echo", "127.0.0.1:0", folder=folder, args=["--tokens", tokens]) as worker:
        text = service(echo=worker.address)
        with harness.Server(text) as server:
            server.wait_for_line("no session with a worker at .*this needs a token")
            worker.wait_for_line("refused the gateway at ipv4:127.0.0.1:[0-9]+: this needs a "
                                 "token;.* 1 attempt refused so far")
            with refused(Code.UNAVAILABLE, "has attached yet"):
                server.infer("away.call_echo", x=ROW)
        token.write_text(secrets[1] + "\n")
        with harness.Server(text, args=["--worker-token", token]) as server:
            server.wait_for_line("the token 'stranger' is not for the service away")
            token.write_text(secrets[0] + "\n")  # It is replaced, and read again.
            server.wait_for_line("service 'away' have attached")
            assert answers(server)
            checked = harness.run(harness.TIFFIN, "check", server.files[0], "--worker-token", token)
            assert checked.returncode == 0 and "call_echo" in checked.stdout, checked.stderr
            checked = harness.run(harness.TIFFIN, "check", server.files[0])
            assert checked.returncode == 1 and "this needs a token" in checked.stderr
            assert "give --worker-token" in checked.stderr
            said = "\n".join(server.lines + worker.lines)
            assert not any(secret in said for secret in secrets)


def test_what_grpc_says_is_a_line_of_the_log_and_no_flood(folder):
    pair = Authority(folder).make("worker")
    with Worker("echo", "127.0.0.1:0", folder=folder,
                args=[*pair.flags, "--insecure", "--log-format", "json"]) as worker:
        host, _, port = worker.address.rpartition(":")
        for _ in range(20):
            with socket.create_connection((host, int(port)), timeout=ANSWER_S) as stranger:
                stranger.sendall(b"this is not TLS" * 10)
                with contextlib.suppress(ConnectionError):
                    stranger.recv(1000)  # Until it hangs up.
        worker.wait_for_line('"event":"grpc"')
        lines = [json.loads(line) for line in worker.lines]
    assert len([line for line in lines if line["event"] == "grpc"]) <= 2


def test_a_token_that_goes_in_clear_is_warned_of(folder):
    token = folder / "token"
    token.write_text("secret\n")
    said = "--worker-token goes unencrypted over the network"
    with Names() as names:
        args = ["--worker-token", token]
        text = service(echo=f"dns://{names.address}/away.test:9")
        with harness.Server(text, args=args) as server:
            server.wait_for_line(said)
            assert len([line for line in server.lines if said in line]) == 1, server.said()
        with harness.Server(service(echo="127.0.0.1:9"), args=args) as server:
            assert said not in server.said()


def test_certificates_are_wanted_on_both_sides(folder):
    authority, strange = Authority(folder), Authority(folder, "strange")
    pair = authority.make("worker", "DNS:localhost")
    own = authority.make("gateway")
    flags = [*pair.flags, "--tls-client-ca", authority.certificate]
    with Worker("echo", "127.0.0.1:0", folder=folder, args=flags) as worker:
        port = worker.address.rpartition(":")[2]
        text = service(echo=f"dns:///localhost:{port}")
        shown = ["--worker-certificate", own.certificate, "--worker-key", own.key]
        args = ["--worker-ca", authority.certificate, *shown]
        with harness.Server(text, args=args) as server:
            eventually(lambda: answers_now(server, LARGE), what="an answer")
            checked = harness.run(harness.TIFFIN, "check", server.files[0], *args)
            assert checked.returncode == 0 and "call_echo" in checked.stdout, checked.stderr
        file = folder / "gateway.yaml"
        file.write_text(text)
        for trust, advice in [
                ([], "if it speaks TLS, give --worker-ca"),
                (["--worker-ca", strange.certificate], "not signed by one of --worker-ca"),
                (["--worker-ca", authority.certificate], "give --worker-certificate")]:
            checked = harness.run(harness.TIFFIN, "check", file, *trust)
            assert checked.returncode == 1 and advice in checked.stderr, checked.stderr
        for args in (["--worker-ca", authority.certificate],
                     ["--worker-ca", strange.certificate, *shown]):
            with harness.Server(text, args=args) as server:
                server.wait_for_line("no session with a worker at")
                with refused(Code.UNAVAILABLE, "has attached yet"):
                    server.infer("away.call_echo", x=ROW)
        # The name in the certificate is not the address.
        args = ["--worker-ca", authority.certificate, *shown]
        with harness.Server(service(echo=worker.address), args=args) as server:
            server.wait_for_line("no session with a worker at")


def test_check_explains_a_worker_without_tls(folder):
    authority = Authority(folder)
    file = folder / "gateway.yaml"
    with Worker("echo", "127.0.0.1:0", folder=folder) as worker:
        file.write_text(service(echo=worker.address))
        checked = harness.run(harness.TIFFIN, "check", file, "--worker-ca", authority.certificate)
    assert checked.returncode == 1 and "it speaks no TLS: remove --worker-ca" in checked.stderr, (
        checked.stderr)


def test_a_worker_with_tls_is_probed(folder):
    authority = Authority(folder)
    pair, own = authority.make("worker", "DNS:model-a.test"), authority.make("prober")
    trust = ["--tls-ca", authority.certificate, "--tls-server-name", "model-a.test"]

    def probe(*args):
        return harness.run(BIN / "tiffin-worker-testing", "--probe", worker.address, *args)

    with Worker("echo", "127.0.0.1:0", folder=folder, args=pair.flags) as worker:
        for asked in ([], ["liveness"]):
            probed = probe(*asked, *trust)
            assert probed.returncode == 0, probed.stderr
        assert probe().returncode == 1
        assert probe("--tls-ca", authority.certificate).returncode == 1  # Another name.
    with Worker("echo", "127.0.0.1:0", folder=folder,
                args=[*pair.flags, "--tls-client-ca", authority.certificate]) as worker:
        assert probe(*trust).returncode == 1
        shown = ["--tls-certificate", own.certificate, "--tls-key", own.key]
        probed = probe(*trust, *shown)
        assert probed.returncode == 0, probed.stderr
        probed = probe(*shown)
        assert probed.returncode == 2 and "give --tls-ca FILE" in probed.stderr, probed.stderr


@pytest.mark.parametrize("args, words", [
    (["--listen", "0.0.0.0:0"], "is not the loopback"),
    ([], "give --listen unix:PATH or --listen HOST:PORT"),
    (["--listen", "unix:/nowhere/w"], "there is no folder '/nowhere'"),
    (["--runner", "q"], "no runner 'q'; it has r, s"),
    (["--listen", "unix:/tmp/never", "--insecure"], "remove --tls-"),
    (["--listen", "nowhere"], "must be unix:PATH or HOST:PORT"),
    (["--listen", "127.0.0.1:0", "--tokens", "/nowhere"], "--tokens"),
])
def test_a_worker_says_what_it_needs_to_listen(folder, args, words):
    file = folder / "workers.yaml"
    file.write_text("service: s\nrunners: {r: {backend: testing}, s: {backend: testing}}\n")
    if "--runner" not in args:
        args = ["--runner", "r", *args]
    ended = harness.run(BIN / "tiffin-worker-testing", "--service", file, *args)
    assert ended.returncode == 2 and words in ended.stderr, ended.stderr


def test_a_worker_takes_no_endpoints(folder):
    file = folder / "workers.yaml"
    file.write_text('service: s\nrunners: {r: {endpoints: ["unix:/a"]}}\n')
    ended = harness.run(BIN / "tiffin-worker-testing", "--service", file, "--runner", "r",
                        "--listen", f"unix:{folder}/w")
    assert ended.returncode == 2 and "where workers listen" in ended.stderr, ended.stderr


def test_check_asks_the_workers(listen, folder):
    with Worker("echo", listen(), folder=folder) as worker:
        file = folder / "gateway.yaml"
        file.write_text(service(echo=worker.address))
        checked = harness.run(harness.TIFFIN, "check", file)
        assert checked.returncode == 0 and "call_echo" in checked.stdout, checked.stderr
        file.write_text(service(echo=worker.address).replace('"fp32[', '"int32['))
        checked = harness.run(harness.TIFFIN, "check", file)
        assert checked.returncode == 2 and "int32" in checked.stderr
    checked = harness.run(harness.TIFFIN, "check", file)
    assert checked.returncode == 1 and "not checked" in checked.stderr, checked.stderr


def test_check_reports_every_runner_and_address_that_does_not_answer(folder):
    file = folder / "gateway.yaml"
    dead = [f"unix:{folder}/dead{i}" for i in range(4)]
    with Worker("echo", f"unix:{folder}/w", folder=folder) as worker:
        file.write_text(service(echo=[dead[0], worker.address], a=dead[1:3], b=dead[3]))
        checked = harness.run(harness.TIFFIN, "check", file)
        said = checked.stderr.splitlines()
        assert checked.returncode == 1, checked.stderr
        assert [line for line in said if line.startswith("warning: runner 'echo'")
                and f"no worker answers at {dead[0]}: " in line], checked.stderr
        for runner, address in [("a", dead[1]), ("a", dead[2]), ("b", dead[3])]:
            (line,) = [line for line in said if f"no worker answers at {address}: " in line]
            assert f"{file}:" in line and f"runner '{runner}'" in line
            assert line.endswith("(no worker listens there: start it, or correct the endpoint)")
        checked = harness.run(harness.TIFFIN, "check", file, "--json")
        told = json.loads(checked.stdout)
        assert checked.returncode == 1 and not told["ok"] and len(told["errors"]) == 3
        assert len(told["warnings"]) == 1 and dead[0] in told["warnings"][0]

        # What is wrong with the graph is told beside it.
        file.write_text(file.read_text().replace("a: echo(x)", "a: echo(x, x)"))
        checked = harness.run(harness.TIFFIN, "check", file)
        assert checked.returncode == 2 and "echo" in checked.stderr and dead[3] in checked.stderr

        file.write_text(service(echo=[dead[0], worker.address]))
        checked = harness.run(harness.TIFFIN, "check", file)
        assert checked.returncode == 0 and "call_echo" in checked.stdout, checked.stderr
        assert dead[0] in checked.stderr


def test_check_explains_a_name_that_nobody_knows(folder):
    file = folder / "gateway.yaml"
    with Names() as names:
        file.write_text(service(echo=f"dns://{names.address}/nobody.test:9"))
        checked = harness.run(harness.TIFFIN, "check", file)
    assert checked.returncode == 1 and "the name is unknown here" in checked.stderr, checked.stderr


def test_check_plans_no_resources_for_workers_elsewhere(folder):
    file = folder / "gateway.yaml"
    with Worker("echo", f"unix:{folder}/w", folder=folder) as worker:
        file.write_text(service(echo=worker.address))
        checked = harness.run(harness.TIFFIN, "check", file)
        assert checked.stdout.endswith("resources: no worker is started here\n"), checked.stdout
        checked = harness.run(harness.TIFFIN, "check", file, "--kubernetes")
        assert checked.returncode == 0 and "name: gateway" in checked.stdout, checked.stderr
        assert "not planned here, for their workers are elsewhere: away.echo;" in checked.stderr


def test_check_refuses_another_runners_worker(folder):
    file = folder / "gateway.yaml"
    with (Worker("twin", f"unix:{folder}/wrong", folder=folder) as wrong,
          Worker("echo", f"unix:{folder}/right", folder=folder) as right):
        for addresses in ([wrong.address], [wrong.address, right.address]):
            file.write_text(service(echo=addresses))
            checked = harness.run(harness.TIFFIN, "check", file)
            assert checked.returncode == 2, checked.stderr
            assert (f"runner 'echo': the worker at {wrong.address} runs 'twin' of service 'away'; "
                    "start it with --runner echo") in checked.stderr


def test_two_workers_of_a_runner_that_differ_are_told_of(folder):
    other = Worker("echo", f"unix:{folder}/other", folder=folder)
    other.file = folder / "other.yaml"
    other.file.write_text(other.files[0].read_text().replace("fp32", "int32"))
    file = folder / "gateway.yaml"
    with Worker("echo", f"unix:{folder}/w", folder=folder) as worker, other:
        file.write_text(service(echo=[worker.address, other.address]))
        checked = harness.run(harness.TIFFIN, "check", file)
    assert checked.returncode == 2, checked.stderr
    assert f"the worker at {other.address} has another signature" in checked.stderr


def test_flags_for_workers_elsewhere_need_some(folder):
    file = folder / "s.yaml"
    file.write_text(service(echo=f"unix:{folder}/w"))
    for command in (["serve", file, "--runtime-dir", folder / "run"], ["check", file]):
        ended = harness.run(harness.TIFFIN, *command, "--worker-token", file, env={**os.environ})
        assert ended.returncode == 2 and "there are none" in ended.stderr, ended.stderr
    file.write_text(service(echo="10.0.0.1"))  # Without a port: that is what is wrong.
    for command in (["serve", file, "--runtime-dir", folder / "run"], ["check", file]):
        ended = harness.run(harness.TIFFIN, *command, "--worker-token", "/nowhere")
        assert ended.returncode == 2 and "s.yaml:" in ended.stderr, ended.stderr
        assert "there are none" not in ended.stderr, ended.stderr
