"""The built-in functions in a served graph."""

import numpy as np

import harness

SERVICE = """
service: functions
runners:
  echo: {backend: testing, options: {behavior: identity, shape: [4]}}
apis:
  go:
    input: {x: "fp32[4]"}
    steps:
      scores: echo(x)
      shares: softmax(scores)
      name: label(shares, ['w', 'x', 'y', 'z'])
      best: top_k(shares, k=2)
      sure: threshold(shares, at=0.5)
      index: argmax(shares)
      number: cast(index, 'fp64')
      both: concat(scores, shares)
      square: reshape(both, [2, -1])
      said: "format('{name} {number:.1f}', name=name, number=number)"
    output: {said: said, best: best, sure: sure, square: square}
"""


def test_functions_work_on_one_another():
    scores = np.array([1, 5, 2, 3], np.float32)
    shares = np.exp(scores) / np.exp(scores).sum()
    with harness.Server(SERVICE) as server:
        outputs = server.infer("functions.go", x=scores)
    assert outputs["said"] == [b"x 1.0"]
    assert outputs["best"].tolist() == [1, 3]
    assert outputs["sure"].tolist() == [False, True, False, False]
    np.testing.assert_allclose(outputs["square"], [scores, shares], rtol=1e-6)
