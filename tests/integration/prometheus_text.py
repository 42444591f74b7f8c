"""What a server's /metrics says, read by Prometheus' own Python parser."""

import urllib.request

from prometheus_client.parser import text_string_to_metric_families

import harness


def metrics_text(server):
    with urllib.request.urlopen(f"http://{server.http_address}/metrics",
                                timeout=harness.ANSWER_S) as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        return answer.read().decode()


class Scrape:
    def __init__(self, server):
        self.text = metrics_text(server)
        self.families = {family.name: family
                         for family in text_string_to_metric_families(self.text)}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    def value(self, name, **labels):
        """The sum of the samples that have these labels; there must be one at least."""
        found = [sample.value for sample in self.samples
                 if sample.name == name and labels.items() <= sample.labels.items()]
        assert found, f"no {name} with {labels}"
        return sum(found)

    def series(self):
        return {(sample.name, *sorted(sample.labels.items())) for sample in self.samples}


def await_value(server, expected, name, **labels):
    """Until the metric has this value."""
    harness.eventually(lambda: Scrape(server).value(name, **labels) == expected,
                       what=f"{name}{labels} is {expected}")
