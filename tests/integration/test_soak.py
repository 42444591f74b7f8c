"""A short form of scripts/soak: it finds nothing wrong with the server, and does find what is."""

import json
import sys

import harness

SECONDS = 8
KINDS = {"typed", "kserve", "stream", "http", "cancel", "hurry", "bad_grpc", "bad_http"}


def test_nothing_is_lost_in_a_short_soak(folder):
    report = folder / "soak.json"
    ended = harness.run(sys.executable, "-B", harness.ROOT / "tests/soak/run.py", "--bin",
                        harness.BIN, "--seconds", SECONDS, "--json", report,
                        timeout=300 * harness.SLOWNESS)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "seed " in ended.stdout
    result = json.loads(report.read_text())
    assert set(result["traffic"]) == KINDS
    assert all(row["sent"] for row in result["traffic"].values())
    assert result["kills"] and result["faults"] == []


def test_it_refuses_wrong_usage():
    ended = harness.run(sys.executable, "-B", harness.ROOT / "tests/soak/run.py", "--seconds", "0")
    assert ended.returncode == 2 and "--seconds must be positive" in ended.stderr
