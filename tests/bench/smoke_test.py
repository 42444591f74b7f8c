"""One quick run of the whole benchmark: its report has the right form, and nothing stays behind."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from testing import take_programs

PROGRAMS = take_programs()
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

UNITS = {"p50": "us", "p99": "us", "throughput": "1/s", "cpu": "us"}
KEYS = {"case", "in_flight", "metric", "value", "unit", "reference", "ratio", "spread"}


class Bench(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory(prefix="tiffin-bench-test-")))

    def bench(self, *flags: str) -> subprocess.CompletedProcess:
        # What it makes goes into our folder, where it would be seen.
        environment = {**os.environ, "TMPDIR": str(self.folder)}
        return subprocess.run([str(ROOT / "scripts/bench"), "--bin", str(PROGRAMS), *flags],
                              capture_output=True, text=True, timeout=200, env=environment)

    def processes_of_ours(self) -> list[str]:
        """Command lines that name our folder."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(self.folder) in line:
                found.append(line)
        return found

    def test_writes_one_row_for_each_case_load_and_metric(self):
        report = self.folder / "report.json"
        run = self.bench("--quick", "--cases", "identity_256B", "--in-flight", "1,8",
                         "--transport", "unix", "--json", str(report))
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        rows = json.loads(report.read_text())
        self.assertEqual(
            [(row["case"], row["in_flight"], row["metric"]) for row in rows],
            [("identity_256B", in_flight, metric) for in_flight in (1, 8) for metric in UNITS])
        for row in rows:
            self.assertEqual(set(row), KEYS)
            self.assertEqual(row["unit"], UNITS[row["metric"]])
            self.assertGreater(row["value"], 0)
            self.assertGreater(row["reference"], 0)
            self.assertAlmostEqual(row["ratio"], row["value"] / row["reference"], delta=0.01)
            self.assertGreaterEqual(row["spread"], 0)
        self.assertEqual(self.processes_of_ours(), [])
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["report.json"])

    def test_holds_a_service_of_models_against_its_engines_in_one_process(self):
        report = self.folder / "report.json"
        run = self.bench("--quick", "--cases", "inference_graph_demo", "--in-flight", "1,2",
                         "--repetitions", "1", "--json", str(report))
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertEqual(len(json.loads(report.read_text())), 2 * len(UNITS))
        for line in ("1  .*  in process, 1x1, batch 1", "2  .*  in process, .x1, batch [12]"):
            self.assertRegex(run.stdout, f"\ninference_graph_demo +{line}\n")

    def test_tells_what_the_wake_ups_alone_cost(self):
        report = self.folder / "report.json"
        run = self.bench("--quick", "--repetitions", "1", "--cases", "wake_ups",
                         "--json", str(report))
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        rows = json.loads(report.read_text())
        self.assertEqual([row["case"] for row in rows], ["wake_ups_call", "wake_ups_fanout"])
        for row in rows:
            self.assertGreater(row["value"], 0)
            self.assertGreater(row["reference"], 0)

    def test_tells_what_it_costs_that_nothing_is_shared(self):
        report = self.folder / "report.json"
        run = self.bench("--quick", "--repetitions", "1", "--cases", "tcp", "--json", str(report))
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        rows = json.loads(report.read_text())
        self.assertEqual([(row["case"], row["metric"]) for row in rows],
                         [(f"tcp_{size}", metric) for size in ("256B", "16KB", "600KB", "16MB")
                          for metric in ("p50", "throughput")])
        for row in rows:
            self.assertGreater(row["value"], 0)
            self.assertGreater(row["reference"], 0)

    def test_compares_cases_of_a_group_and_measures_starts_and_memory(self):
        report = self.folder / "report.json"
        run = self.bench("--quick", "--repetitions", "1", "--in-flight", "1", "--json", str(report),
                         "--cases", "fanout_16KB,fanout_16KB_off,fanout_600KB,start_identity,"
                         "gateway_memory")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        rows = {(row["case"], row["in_flight"], row["metric"]): row
                for row in json.loads(report.read_text())}
        start = rows[("start_identity", 0, "start")]
        self.assertTrue(start["value"] > start["reference"] > 1, start)
        memory = rows[("gateway_memory", 32, "pss")]
        self.assertTrue(1 < memory["value"] < 1000 and 1 < memory["reference"] < 1000, memory)
        large, small, off, versus, extra = (
            rows[(case, 1, "p50")] for case in ("fanout_600KB", "fanout_16KB", "fanout_16KB_off",
                                                "fanout_16KB_vs_off", "fanout_600KB_extra"))
        self.assertEqual((versus["value"], versus["reference"]), (small["value"], off["value"]))
        # What remains is a reader's pass over the tensor: that of a core, or of its caches.
        read = large["value"] - small["value"] - extra["value"]
        self.assertTrue(1 < read < 2000, (large, small, extra))
        self.assertTrue(1 < extra["reference"] < 2000, extra)

    def test_names_the_cases_when_one_is_unknown(self):
        run = self.bench("--cases", "identity")
        self.assertEqual(run.returncode, 2)
        self.assertIn("fanout_16KB", run.stderr)


if __name__ == "__main__":
    unittest.main()
