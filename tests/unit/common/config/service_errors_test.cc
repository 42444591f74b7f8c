#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "common/config/service.h"

namespace tiffin::config {
namespace {

std::string Errors(std::string_view yaml) {
  Diagnostics diagnostics("f");
  ParseService(yaml, "f", diagnostics);
  return diagnostics.ToString();
}

// A service with `runner` as the text of its only runner, on line 3 from column 6.
std::string WithRunner(std::string_view runner) {
  return "service: s\nrunners:\n  r: " + std::string(runner) + "\n";
}

// A service with `lines` under its only api; they start on line 5 with four spaces.
std::string WithApi(std::string_view lines) {
  return "service: s\nrunners: {r: {backend: testing}}\napis:\n  p:\n" + std::string(lines);
}

// The same with `steps`, which start on line 7 with six spaces.
std::string WithSteps(std::string_view steps) {
  return WithApi("    input: {x: text}\n    steps:\n" + std::string(steps) +
                 "    output: {y: x}\n");
}

using Cases = std::vector<std::pair<std::string, std::string>>;

TEST(ServiceErrorsTest, OfTheWholeFile) {
  const Cases cases = {
      {"runners: {r: {backend: testing}}\n",
       "f:1:1: a service file has no 'service'; add service: its_name"},
      {"service: s\n",
       "f:1:1: a service file has neither 'runners' nor 'apis'; add what it serves"},
      {"service: My-Service\nrunners: {r: {backend: testing}}\n",
       "f:1:10: 'My-Service' is no name for a service; write lower-case letters, digits and '_', a "
       "letter first"},
      {"service:\nrunners: {r: {backend: testing}}\n",
       "f:1:1: 'service' must be text, not nothing"},
      {"service: s\nrunner: {r: {backend: testing}}\napis: {}\n",
       "f:2:1: unknown key 'runner' in a service file; did you mean 'runners'? known here: "
       "service, "
       "runners, apis\n"
       "f:3:7: expected a mapping with at least one api, such as predict: {input: ..., steps: ..., "
       "output: ...}, not an empty one"},
      {"service: s\nrunners: [a]\n",
       "f:2:10: expected a mapping with at least one runner, such as my_runner: {model: "
       "\"my_model:latest\"}, not a list"},
      {"service: s\nrunners: {R: {backend: testing}, true: {backend: testing}}\n",
       "f:2:11: 'R' is no name for a runner; write lower-case letters, digits and '_', a letter "
       "first\n"
       "f:2:34: a runner can't be named 'true', which is a literal; rename it"},
      {"service: s\nservice: t\nrunners: {r: {backend: testing}}\n",
       "f:2:1: duplicate key 'service', which is on line 1 already; remove or rename one of them"},
  };
  for (const auto& [yaml, errors] : cases) EXPECT_EQ(Errors(yaml), errors) << yaml;
}

TEST(ServiceErrorsTest, OfARunner) {
  const std::string known =
      "known here: model, backend, python, endpoints, environment, options, replicas, queue, "
      "start_timeout, resources, device, batching";
  const std::string device =
      "'device' must be cpu, or a GPU by its number such as \"cuda:0\", not ";
  const Cases cases = {
      {"{}",
       "f:3:3: runner 'r' has neither 'model', 'backend', 'python' nor 'endpoints'; add one of "
       "them"},
      {"{model: \"m:1\", backend: image}",
       "f:3:3: runner 'r' has both 'model' and 'backend'; write one of them only (a model knows "
       "its backend, and workers at endpoints what they run)"},
      {"image",
       "f:3:6: runner 'r' must be a mapping with the keys model, backend, python, endpoints, "
       "environment, options, replicas, queue, start_timeout, resources, device, batching, not "
       "'image'"},
      {"{model: digits}",
       "f:3:14: model 'digits' names no version; write \"digits:latest\", or a "
       "number such as \"digits:1\""},
      {"{model: \"digits:0\"}",
       "f:3:14: model 'digits:0' names no version; write "
       "\"digits:latest\", or a number such as \"digits:1\""},
      {"{model: \"../x:1\"}",
       "f:3:14: '../x' is no name for a model; write lower-case letters, "
       "digits and '_', a letter first"},
      {"{model: [a]}", "f:3:14: 'model' must be text, not a list"},
      {"{backend: Image}",
       "f:3:16: 'Image' is no name for a backend; write lower-case letters, "
       "digits and '_', a letter first"},
      {"{backend: image, python: \"a.py:A\"}",
       "f:3:3: runner 'r' has both 'backend' and 'python'; write one of them only (a model knows "
       "its backend, and workers at endpoints what they run)"},
      {"{backend: python}",
       "f:3:16: code of yours is no backend; write python: \"FILE.py:CLASS\" instead of backend: "
       "python"},
      {"{backend: image, environment: .venv}",
       "f:3:36: 'environment' is for code of yours only; remove it, or write python"},
      {"{python: clean.py}",
       "f:3:15: 'python' must be a file and a class in it, such as \"clean.py:Clean\", not "
       "'clean.py'"},
      {"{python: \"clean:Clean\"}",
       "f:3:15: 'python' must be a file and a class in it, such as \"clean.py:Clean\", not "
       "'clean:Clean'"},
      {"{python: \"clean.py:a.b\"}",
       "f:3:15: 'python' must be a file and a class in it, such as \"clean.py:Clean\", not "
       "'clean.py:a.b'"},
      {"{python: [a]}", "f:3:15: 'python' must be text, not a list"},
      {"{backend: image, replicas: 0}",
       "f:3:33: 'replicas' must be a whole number from 1 to 64, not '0'"},
      {"{backend: image, replicas: \"2\"}",
       "f:3:33: 'replicas' must be a whole number from 1 to 64, not the text '2'"},
      {"{backend: image, queue: {max: 1000001}}",
       "f:3:36: 'max' must be a whole number from 0 to 1000000, not '1000001'"},
      {"{backend: image, queue: 3}",
       "f:3:30: 'queue' must be a mapping with the keys max, not '3'"},
      {"{backend: image, start_timeout: 10}",
       "f:3:38: 'start_timeout' must be a number with its unit (us, ms, s, m, h), such as 10s or "
       "50ms, not '10'"},
      {"{backend: image, resources: {cpu: 0}}",
       "f:3:40: 'cpu' must be a number above 0, at most 1024, not '0'"},
      {"{backend: image, resources: {threads: 0}}",
       "f:3:44: 'threads' must be a whole number from 1 to 1024, not '0'"},
      {"{backend: image, resources: {threads: 1.5}}",
       "f:3:44: 'threads' must be a whole number from 1 to 1024, not '1.5'"},
      {"{backend: image, resources: {memory: 2}}",
       "f:3:35: unknown key 'memory' in 'resources'; known here: cpu, threads"},
      {"{backend: image, resources: 2}",
       "f:3:34: 'resources' must be a mapping with the keys cpu, threads, not '2'"},
      {"{backend: image, options: 3}",
       "f:3:32: 'options' must be a mapping such as {size: 8}, not '3'"},
      {"{backend: image, options: {a: .nan}}",
       "f:3:36: the number '.nan' is not finite; write a finite one, or put it in quotes if it is "
       "text"},
      {"{backend: image, batching: {max_batch_size: 0}}",
       "f:3:50: 'max_batch_size' must be a whole number from 1 to 65536, not '0'"},
      {"{backend: image, batching: {max_delay: 2}}",
       "f:3:45: 'max_delay' must be a number with its unit (us, ms, s, m, h), such as 10s or 50ms, "
       "not '2'"},
      {"{backend: image, batching: on}",
       "f:3:33: 'batching' must be off, or a mapping such as {max_batch_size: 32, max_delay: 2ms}, "
       "not 'on'"},
      {"{backend: image, batching: {size: 3}}",
       "f:3:34: unknown key 'size' in 'batching'; known here: max_batch_size, max_delay, "
       "policy"},
      {"{backend: image, batching: {policy: window}}",
       "f:3:42: 'policy' must be adaptive or fixed, not 'window'"},
      {"{backend: image, batching: {policy: off}}",
       "f:3:42: 'policy' must be adaptive or fixed, not 'off'"},
      {"{backend: image, device: gpu}", "f:3:31: " + device + "'gpu'"},
      {"{backend: image, device: cuda}", "f:3:31: " + device + "'cuda'"},
      {"{backend: image, device: \"cuda:x\"}", "f:3:31: " + device + "the text 'cuda:x'"},
      {"{backend: image, device: \"cuda:01\"}", "f:3:31: " + device + "the text 'cuda:01'"},
      {"{backend: image, device: \"cuda:1000\"}", "f:3:31: " + device + "the text 'cuda:1000'"},
      {"{backend: image, device: [cpu]}", "f:3:31: 'device' must be text, not a list"},
      {"{endpoints: []}",
       "f:3:18: 'endpoints' must be a list of addresses such as [\"dns:///model-a:9000\"], not an "
       "empty one"},
      {"{endpoints: \"dns:///a:1\"}",
       "f:3:18: 'endpoints' must be a list of addresses such as [\"dns:///model-a:9000\"], not the "
       "text 'dns:///a:1'"},
      {"{endpoints: [\"model-a\", \"unix:/a\", \"unix:///a\"]}",
       "f:3:19: the endpoint 'model-a': it has no port; write unix:PATH, HOST:PORT, "
       "ipv4:HOST:PORT, ipv6:[HOST]:PORT, or dns:///HOST:PORT\n"
       "f:3:41: the endpoint 'unix:///a' is there already; remove one"},
      {"{backend: image, endpoints: [\"unix:/a\"]}",
       "f:3:3: runner 'r' has both 'backend' and 'endpoints'; write one of them only (a model "
       "knows "
       "its backend, and workers at endpoints what they run)"},
      {"{endpoints: [\"unix:/a\"], start_timeout: 1s}",
       "f:3:46: 'start_timeout' is for workers that the gateway starts; remove it: who starts the "
       "workers at 'endpoints' says it there"},
      {"{endpoints: [\"unix:/a\"], replicas: 2, resources: {cpu: 1}, queue: {max: 1}}",
       "f:3:41: 'replicas' is for workers that the gateway starts; remove it: who starts the "
       "workers at 'endpoints' says it there\n"
       "f:3:55: 'resources' is for workers that the gateway starts; remove it: who starts the "
       "workers at 'endpoints' says it there"},
      {"{backend: image, replica: 2}",
       "f:3:23: unknown key 'replica' in runner 'r'; did you mean 'replicas'? " + known},
  };
  for (const auto& [runner, errors] : cases)
    EXPECT_EQ(Errors(WithRunner(runner)), errors) << runner;
}

TEST(ServiceErrorsTest, OfAnApi) {
  const Cases cases = {
      {"    output: {y: x}\n", "f:4:3: api 'p' has no 'input'; add input: {name: type}"},
      {"    input: {x: text}\n", "f:4:3: api 'p' has no 'output'; add output: {name: step}"},
      {"    input: {x: text}\n    output: x\n",
       "f:6:13: expected a mapping with at least one output, such as answer: step, not 'x'"},
      {"    input: {x: text}\n    output: {y: r(x)}\n",
       "f:6:17: a call can't stand here; make 'r(...)' a step of its own and write that step's "
       "name"},
      {"    input: {x: text}\n    output: {y: x}\n    timeout: 10\n",
       "f:7:14: 'timeout' must be a number with its unit (us, ms, s, m, h), such as 10s or 50ms, "
       "not '10'"},
      {"    inputs: {x: text}\n    output: {y: x}\n",
       "f:4:3: api 'p' has no 'input'; add input: {name: type}\n"
       "f:5:5: unknown key 'inputs' in api 'p'; did you mean 'input'? known here: input, steps, "
       "output, timeout, monitor"},
      {"    input: {x: \"FP32[3]\"}\n    output: {y: x}\n",
       "f:5:16: type 'FP32[3]': write 'fp32' in lower case"},
      {"    input: {x: \"fp32[2,rows]\"}\n    output: {y: x}\n",
       "f:5:16: type 'fp32[2,rows]': the dimension 'rows' is not a size; write a number, or -1 for "
       "any size (in 'fp32[2,rows]'; 'rows' can be the first dimension only)"},
      {"    input: {x: fp32[3]}\n    output: {y: x}\n",
       "f:5:16: a '[' ends an unquoted value inside { }; put the value in double quotes"},
      {"    input: {x: 3}\n    output: {y: x}\n",
       "f:5:16: type '3': unknown; write image, text, json, bytes, or a tensor such as "
       "\"fp32[64]\" (bool, uint8, uint16, uint32, uint64, int8, int16, int32, int64, fp16, bf16, "
       "fp32, fp64, bytes)"},
      {"    input: {x: text}\n    output: {y: x}\n  r:\n    input: {x: text}\n    output: {y: x}\n",
       "f:7:3: api 'r' has the name of the runner on line 2, and clients see both as 's.r'; rename "
       "one of them"},
  };
  for (const auto& [lines, errors] : cases) EXPECT_EQ(Errors(WithApi(lines)), errors) << lines;
}

TEST(ServiceErrorsTest, OfAStep) {
  const Cases cases = {
      {"      x: r(x)\n",
       "f:7:7: step 'x' has the name of the input on line 5; rename one of them"},
      {"      a: r(x)\n      a: r(x)\n",
       "f:8:7: duplicate key 'a', which is on line 7 already; remove or rename one of them"},
      {"      A: r(x)\n",
       "f:7:7: 'A' is no name for a step; write lower-case letters, digits and "
       "'_', a letter first"},
      {"      a:\n", "f:7:7: step 'a' must be a call such as my_runner(value), not nothing"},
      {"      a: [r]\n", "f:7:10: step 'a' must be a call such as my_runner(value), not a list"},
      {"      a: r(x\n", "f:7:13: expected ',' or ')', found the end; close the call with ')'"},
      {"      a: \"r(x\"\n", "f:7:14: expected ',' or ')', found the end; close the call with ')'"},
      {"      a: {timeout: 1s}\n", "f:7:7: step 'a' has no 'run'; add run: \"my_runner(value)\""},
      {"      a: {run: r(x), retry: 1}\n",
       "f:7:22: unknown key 'retry' in step 'a'; known here: run, timeout, retries"},
      {"      a: {run: r(x), retries: -1, timeout: 0s}\n",
       "f:7:31: 'retries' must be a whole number from 0 to 100, not '-1'\n"
       "f:7:44: 'timeout' must be above 0 and at most 24h, not '0s'"},
      {"      a: r(x, 'k: v')\n",
       "f:7:10: a ': ' inside an unquoted step makes it a key; put the step in double quotes"},
      {"      a: {run: r(x, 1), retries: 1}\n",
       "f:7:16: a ',' ends an unquoted step inside { }; put the step in double quotes, or on a "
       "line of its own outside { }"},
      {"      a: r(x, 'no #1')\n",
       "f:7:15: text without an end; write ' behind it (in YAML ' #' begins a comment: if it is "
       "cut "
       "there, put the step in double quotes)"},
  };
  for (const auto& [steps, errors] : cases) EXPECT_EQ(Errors(WithSteps(steps)), errors) << steps;
}

TEST(ServiceErrorsTest, AllAreFoundInOneRun) {
  EXPECT_EQ(
      Errors("service: S\n"
             "runners:\n"
             "  pre: {backend: image, device: gpu}\n"
             "  m: {model: digits, replicas: 65}\n"
             "apis:\n"
             "  predict:\n"
             "    input: {img: imag}\n"
             "    steps:\n"
             "      a: {run: pre(img, 1), retries: x}\n"
             "      b: m(a, 'k: v'\n"
             "      c: m(f(a))\n"
             "      c: m(b)\n"
             "    output: {c: c}\n"
             "    timeout: soon\n"),
      "f:1:10: 'S' is no name for a service; write lower-case letters, digits and '_', a "
      "letter first\n"
      "f:3:33: 'device' must be cpu, or a GPU by its number such as \"cuda:0\", not 'gpu'\n"
      "f:4:14: model 'digits' names no version; write \"digits:latest\", or a number such as "
      "\"digits:1\"\n"
      "f:4:32: 'replicas' must be a whole number from 1 to 64, not '65'\n"
      "f:7:18: type 'imag': unknown; write image, text, json, bytes, or a tensor such as "
      "\"fp32[64]\" (bool, uint8, uint16, uint32, uint64, int8, int16, int32, int64, fp16, "
      "bf16, fp32, fp64, bytes)\n"
      "f:9:16: a ',' ends an unquoted step inside { }; put the step in double quotes, or on a "
      "line of its own outside { }\n"
      "f:9:38: 'retries' must be a whole number from 0 to 100, not 'x'\n"
      "f:10:10: a ': ' inside an unquoted step makes it a key; put the step in double quotes\n"
      "f:10:21: expected ',' or ')', found the end; close the call with ')'\n"
      "f:11:12: a call can't stand here; make 'f(...)' a step of its own and write that "
      "step's name\n"
      "f:12:7: duplicate key 'c', which is on line 11 already; remove or rename one of them\n"
      "f:14:14: 'timeout' must be a number with its unit (us, ms, s, m, h), such as 10s or "
      "50ms, not 'soon'");
}

}  // namespace
}  // namespace tiffin::config
