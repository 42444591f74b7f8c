"""The load generator against the echo: what it reports, and that it notices wrong replies."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from cases import SERVICES, floats
from servers import Server
from testing import take_programs

PROGRAMS = take_programs()


class LoadGenerator(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory(prefix="tiffin-bench-test-")))
        (self.folder / "payload").write_bytes(os.urandom(1000))
        (self.folder / "other").write_bytes(os.urandom(1000))

    def serve(self, address: str = "127.0.0.1:0") -> Server:
        command = [str(PROGRAMS / "bench-echo-server"), "--address", address]
        return self.enterContext(Server("echo", command, self.folder / "log"))

    def load(self, server: Server, *flags: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(PROGRAMS / "bench-load-generator"), "--address", server.address,
             "--warm-up", "0.02", "--seconds", "10",
             *([] if "--max-requests" in flags else ["--max-requests", "500"]),
             *([] if "--payload" in flags else ["--payload", str(self.folder / "payload")]),
             *flags],
            capture_output=True, text=True, timeout=60)

    def test_reports_latencies_and_throughput(self):
        client = self.load(self.serve(), "--protocol", "echo", "--in-flight", "4",
                           "--expect", str(self.folder / "payload"))
        self.assertEqual((client.returncode, client.stderr), (0, ""))
        result = json.loads(client.stdout)
        # The last ones to start may still be under way when the 500th is complete.
        self.assertGreaterEqual(result["requests"], 490)
        self.assertLessEqual(result["requests"], 504)
        self.assertGreaterEqual(result["total_requests"], result["requests"])
        self.assertGreater(result["p50_us"], 0)
        self.assertGreaterEqual(result["p99_us"], result["p50_us"])
        # Half of the latencies are the median or more, so the mean is at least half of it.
        self.assertLessEqual(result["throughput"], 2 * 4e6 / result["p50_us"])

    def test_calls_are_spread_over_connections(self):
        client = self.load(self.serve(), "--protocol", "echo", "--in-flight", "4",
                           "--connections", "3", "--expect", str(self.folder / "payload"))
        self.assertEqual((client.returncode, client.stderr), (0, ""))
        client = self.load(self.serve(), "--protocol", "echo", "--connections", "0")
        self.assertIn("--connections", client.stderr)

    def test_tells_the_cpu_time_of_a_process(self):
        server = self.serve()
        client = self.load(server, "--protocol", "echo", "--cpu-of", str(server.pid))
        self.assertEqual((client.returncode, client.stderr), (0, ""))
        result = json.loads(client.stdout)
        self.assertTrue(1 < result["cpu_of_us"] < 1e6 / result["throughput"] * os.cpu_count())
        self.assertNotIn("cpu_of_us", json.loads(self.load(server, "--protocol", "echo").stdout))
        client = self.load(server, "--protocol", "echo", "--cpu-of", str(2**22 + 1))
        self.assertEqual((client.returncode, client.stdout), (1, ""))
        self.assertIn("no process", client.stderr)

    def test_speaks_over_a_unix_socket(self):
        server = self.serve(f"unix:{self.folder}/echo.sock")
        client = self.load(server, "--protocol", "echo")
        self.assertEqual(client.returncode, 0, client.stderr)

    def test_fails_on_a_reply_that_is_not_the_expected(self):
        client = self.load(self.serve(), "--protocol", "echo", "--in-flight", "4",
                           "--expect", str(self.folder / "other"))
        self.assertEqual((client.returncode, client.stdout), (1, ""))
        self.assertIn("differ", client.stderr)

    def test_sends_several_payloads_in_turns(self):
        payloads = [str(self.folder / name) for name in ("payload", "other")]
        client = self.load(self.serve(), "--protocol", "echo", "--in-flight", "3",
                           "--payload", *payloads, "--expect", *payloads)
        self.assertEqual((client.returncode, client.stderr), (0, ""))
        # Now the replies to the second are wrong.
        client = self.load(self.serve(), "--protocol", "echo", "--in-flight", "3",
                           "--payload", *payloads, "--expect", payloads[0], payloads[0])
        self.assertEqual((client.returncode, client.stdout), (1, ""))
        self.assertIn("differ", client.stderr)

    def test_wants_an_expectation_for_each_payload(self):
        payloads = [str(self.folder / name) for name in ("payload", "other")]
        client = self.load(self.serve(), "--protocol", "echo", "--payload", *payloads,
                           "--expect", payloads[0])
        self.assertEqual(client.returncode, 1)
        self.assertIn("as many --expect as --payload", client.stderr)

    def test_fails_on_an_error_status(self):
        client = self.load(self.serve(), "--protocol", "infer", "--in-flight", "4")
        self.assertEqual((client.returncode, client.stdout), (1, ""))
        self.assertIn("UNIMPLEMENTED", client.stderr)

    def open_loop(self, server: Server, *flags: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(PROGRAMS / "bench-load-generator"), "--address", server.address,
             "--payload", str(self.folder / "payload"), "--warm-up", "0.1", *flags],
            capture_output=True, text=True, timeout=60)

    def test_makes_calls_by_chance_at_a_rate(self):
        client = self.open_loop(self.serve(), "--protocol", "echo", "--rate", "400",
                                "--seconds", "1", "--seed", "3",
                                "--expect", str(self.folder / "payload"))
        self.assertEqual((client.returncode, client.stderr), (0, ""))
        result = json.loads(client.stdout)
        # The standard deviation is 20; with the same seed it is the same number each time.
        self.assertAlmostEqual(result["requests"], 400, delta=80)
        # In a second, or more where the last reply was late.
        self.assertLessEqual(result["throughput"], 1.2 * result["requests"])
        self.assertGreater(result["total_requests"], result["requests"])

    def test_makes_calls_in_bursts(self):
        client = self.open_loop(self.serve(), "--protocol", "echo", "--rate", "80",
                                "--seconds", "0.5", "--burst", "8")
        self.assertEqual((client.returncode, client.stderr), (0, ""))
        # At 0.1, 0.2, ... 0.5 s; those at 0 s are warm-up.
        self.assertEqual(json.loads(client.stdout)["requests"], 40)

    def test_an_open_loop_fails_on_a_wrong_reply_and_on_an_error_status(self):
        server = self.serve()
        client = self.open_loop(server, "--protocol", "echo", "--rate", "100", "--seconds", "60",
                                "--expect", str(self.folder / "other"))
        self.assertEqual((client.returncode, client.stdout), (1, ""))
        self.assertIn("differ", client.stderr)
        client = self.open_loop(server, "--protocol", "infer", "--rate", "100", "--seconds", "60")
        self.assertEqual((client.returncode, client.stdout), (1, ""))
        self.assertIn("UNIMPLEMENTED", client.stderr)

    def serve_one_by_one(self) -> tuple[Server, tuple[str, ...]]:
        """A gateway, and flags for calls of 4 ms, one by one."""
        command = [str(PROGRAMS / "tiffin"), "serve", str(SERVICES / "arrivals.yaml"),
                   "--grpc-address", "127.0.0.1:0", "--runtime-dir", str(self.folder / "run")]
        server = self.enterContext(Server("the gateway", command, self.folder / "gateway.log"))
        (self.folder / "payload").write_bytes(floats(64))
        return server, ("--protocol", "infer", "--model", "bench_arrivals.one_by_one", "--input",
                        "x", "--datatype", "FP32", "--shape", "64")

    def test_writes_the_timelines_of_calls(self):
        server, flags = self.serve_one_by_one()
        timings = self.folder / "timings"
        client = self.load(server, *flags, "--max-requests", "9", "--timings", str(timings))
        self.assertEqual((client.returncode, client.stderr), (0, ""))
        calls = [json.loads(line) for line in timings.read_text().splitlines()]
        self.assertEqual(len(calls), json.loads(client.stdout)["requests"])
        for call in calls:
            (step,) = call["server"]["steps"]
            self.assertGreaterEqual(step["compute_us"], 4000)
            self.assertGreaterEqual(call["latency_us"], call["server"]["total_us"])

    def test_fails_where_a_timeline_is_missing(self):
        client = self.load(self.serve(), "--protocol", "echo", "--timings",
                           str(self.folder / "timings"))
        self.assertEqual((client.returncode, client.stdout), (1, ""))
        self.assertIn("gives no tiffin-timing", client.stderr)

    def test_latencies_of_an_open_loop_show_that_the_server_fell_behind(self):
        # A second of 500 a second takes it two.
        server, flags = self.serve_one_by_one()
        client = self.open_loop(server, *flags, "--rate", "500", "--seconds", "1")
        self.assertEqual((client.returncode, client.stderr), (0, ""))
        result = json.loads(client.stdout)
        self.assertGreater(result["p50_us"], 200e3)
        self.assertGreater(result["p99_us"], 500e3)
        self.assertLess(result["throughput"], 300)

    def test_an_overload_counts_what_is_refused_and_what_is_late(self):
        server, flags = self.serve_one_by_one()
        client = subprocess.run(
            [str(PROGRAMS / "bench-load-generator"), "--address", server.address, *flags,
             "--payload", str(self.folder / "payload"), "--phases", "20:0.5", "2000:1",
             "--deadline-ms", "100"],
            capture_output=True, text=True, timeout=60)
        self.assertEqual((client.returncode, client.stderr), (0, ""))
        result = json.loads(client.stdout)
        before, during = result["phases"]
        self.assertEqual(result["total_requests"], before["offered"] + during["offered"])
        for phase in before, during:
            self.assertEqual(phase["offered"],
                             phase["answered"] + phase["refused"] + phase["late"])
        self.assertGreater(before["answered"], 0)
        self.assertGreater(during["refused"] + during["late"], during["answered"])
        self.assertGreaterEqual(during["answered_p99_us"], during["answered_p50_us"])

    def test_refuses_wrong_usage(self):
        for flags in (["--phases", "10:1"], ["--deadline-ms", "10"],
                      ["--phases", "10", "--deadline-ms", "10"],
                      ["--phases", "10:0", "--deadline-ms", "10"],
                      ["--phases", "10:1", "--deadline-ms", "10", "--rate", "5"],
                      ["--protocol", "echoes"], ["--rate", "10", "--in-flight", "2"],
                      ["--rate", "10", "--max-requests", "2"], ["--burst", "2"], ["--seed", "2"],
                      ["--rate", "10", "--burst", "2", "--seed", "2"]):
            client = self.open_loop(self.serve(), *(flags if "--protocol" in flags
                                                    else ["--protocol", "echo", *flags]))
            self.assertEqual(client.returncode, 2, flags)


if __name__ == "__main__":
    unittest.main()
