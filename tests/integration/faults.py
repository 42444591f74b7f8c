"""What is put under load while faults are injected (test_faults_*.py)."""

import harness

# To be formatted with a gate and a journal, which the api `keep` waits for and tells.
SERVICE = """
service: faults
runners:
  pre: {{backend: testing, options: {{behavior: identity, dtype: int64}}}}
  a: {{backend: testing, replicas: 2, options: {{behavior: delay, ms: 1, batchable: true,
      dtype: int64}}}}
  hold: {{backend: testing, options: {{behavior: delay, until: {gate}, ms: 60000, dtype: int64,
         journal: {journal}}}}}
apis:
  fan:
    input: {{x: "int64[-1]"}}
    steps:
      features: pre(x)
      left: a(features)
      right: a(x)
    output: {{left: left, right: right, features: features}}
  keep:
    input: {{x: "int64[-1]"}}
    steps:
      kept: hold(x)
    output: {{y: kept}}
"""

VARIANTS = {
    "express": ["--worker-transport", "express"],
    "grpc_two_loops": ["--worker-transport", "grpc", "--loops", "2"],
}


def serve(folder, gate, journal, args, service=SERVICE, **kwargs):
    """A server with metrics."""
    text = service.format(gate=gate.path, journal=journal.path)
    return harness.Server(text, folder=folder, args=[*args, "--http-address", "127.0.0.1:0"],
                          **kwargs)
