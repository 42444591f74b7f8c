"""The load generator against the echo: what it reports, and that it notices wrong replies."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

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
             "--warm-up", "0.02", "--seconds", "10", "--max-requests", "500",
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

    def test_refuses_wrong_usage(self):
        self.assertEqual(self.load(self.serve(), "--protocol", "echoes").returncode, 2)


if __name__ == "__main__":
    unittest.main()
