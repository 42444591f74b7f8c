#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "worker/runtime/backend.h"

namespace tiffin::worker {

// `{backend: testing, options: {behavior: ..., ...}}`: steps with a known behavior, for tests and
// benchmarks. No engine, never installed.
//
// Behaviors. Unless it says otherwise, one takes INPUT0 and gives it back as OUTPUT0, of the type
// `dtype` (default fp32; any, BYTES too) and `shape` without rows (default [-1]), one row at a
// time:
//   identity   Batchable.
//   add_sub    Batchable. INPUT0 and INPUT1, int32[16] each; OUTPUT0 is the sum, OUTPUT1 the
//              difference, both modulo 2^32.
//   delay      Takes `ms`; or, with `until`, as long as that file does not exist, at most `ms`.
//   fail       Takes as long as `delay`, then fails with `code`; with `times: n` only the first n
//              executions of the process do; with `content` only those with such an element.
//   crash      Takes as long as `delay`, then ends its process (abort) when an input has an element
//              equal to `content`, a number or, for BYTES, a text; without `content`, always.
//   produce    OUTPUT0 is fp32[bytes / 4]: element i is the input's first byte plus i mod 64.
//   consume    INPUT0 is fp32 of `shape`; OUTPUT0 is fp32[64]: element j is the sum of the elements
//              whose index is j mod 64.
//   barrier    The n-th execution of a process makes the file `<path>/<pid>-<n>` and returns when
//              there are n-th files of `parties` processes, at most `ms` later.
//
// Options:
//   ms         Milliseconds; default 0, and 10000 where it is the bound of a wait, which then ends
//              with DEADLINE_EXCEEDED.
//   until      A file in a folder that exists.
//   batchable  Of `delay`, `fail` and `crash`: whether they take several rows; default false.
//   code       A gRPC status code by name, such as UNAVAILABLE; default INTERNAL.
//   times, content, bytes (default 256, a multiple of 4), path, parties (default 2): as above.
//   journal    Of any behavior: a file that gets one line an execution, before it does anything:
//              `<pid> <rows> <the first element of INPUT0>`.
//   load_until Of any behavior: loading takes as long as that file does not exist, at most an hour.
//   retry_safe Of any behavior: what the signature says; default true.
//   methods    Of any behavior: names of methods, all alike; default [run].
// An option that the behavior does not know is an error.
absl::StatusOr<std::unique_ptr<Backend>> CreateTestingBackend(const BackendConfig& config);

}  // namespace tiffin::worker
