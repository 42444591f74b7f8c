"""What is read of running servers."""

import mmap
import os
import pathlib
import sys
import tempfile
import unittest

from servers import Failure, Server, pss_without_segments

SIZE = 64 << 20
SLACK = SIZE // 4


class Pss(unittest.TestCase):
    def grown(self, before: int) -> int:
        return pss_without_segments(os.getpid()) - before

    def test_counts_memory_but_no_segments(self):
        before = pss_without_segments(os.getpid())
        descriptor = os.memfd_create("tiffin")
        self.addCleanup(os.close, descriptor)
        os.ftruncate(descriptor, SIZE)
        with mmap.mmap(descriptor, SIZE) as segment:
            segment.write(b"x" * SIZE)
            self.assertLess(self.grown(before), SLACK)
        with mmap.mmap(-1, SIZE) as heap:
            heap.write(b"x" * SIZE)
            self.assertGreater(self.grown(before), SIZE - SLACK)


class Servers(unittest.TestCase):
    def serve(self, *flags: str) -> Server:
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="tiffin-bench-test-"))
        program = "import signal; print('serving on nowhere', flush=True); signal.pause()"
        return self.enterContext(
            Server("it", [sys.executable, "-c", program, *flags], pathlib.Path(folder) / "log"))

    def test_tell_how_long_they_took_to_start(self):
        server = self.serve()
        self.assertEqual(server.address, "nowhere")
        self.assertGreater(server.start_seconds, 0)
        self.assertLess(server.start_seconds, 30)

    def test_tell_the_threads_of_a_runners_workers(self):
        server = self.serve("--service", "s.yaml", "--runner", "model", "--threads", "3")
        self.assertEqual(server.worker_threads("model"), [3])
        with self.assertRaisesRegex(Failure, "no worker of the runner 'other'"):
            server.worker_threads("other")


if __name__ == "__main__":
    unittest.main()
