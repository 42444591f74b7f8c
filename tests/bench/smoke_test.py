"""One quick run of the whole benchmark: its report has the right form, and nothing stays behind."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAMS = pathlib.Path()
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
                              capture_output=True, text=True, timeout=100, env=environment)

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

    def test_names_the_cases_when_one_is_unknown(self):
        run = self.bench("--cases", "identity")
        self.assertEqual(run.returncode, 2)
        self.assertIn("fanout_16KB", run.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    known, rest = parser.parse_known_args()
    PROGRAMS = known.bin
    unittest.main(argv=[sys.argv[0], *rest])
