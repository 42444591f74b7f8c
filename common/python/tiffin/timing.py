"""Where a request's time went, as the server tells it (metadata `tiffin-timing`)."""

import dataclasses
import json
from typing import Any, Self


@dataclasses.dataclass(frozen=True)
class StepTiming:
    """A step of the graph. Microseconds; `start_us` and `end_us` count from the request's
    arrival."""

    name: str
    #: Empty: a function, which runs in the gateway.
    runner: str
    start_us: int
    end_us: int
    queue_us: int = 0
    batch_us: int = 0
    compute_us: int = 0
    transport_us: int = 0
    #: How often it was run again, and what that took.
    retries: int = 0
    retry_us: int = 0
    #: As how many calls its rows went.
    calls: int = 1


@dataclasses.dataclass(frozen=True)
class Timing:
    """The ledger of a request: total_us is parse_us, dispatch_us, the steps of the critical path,
    and gather_us."""

    total_us: int
    parse_us: int
    dispatch_us: int
    gather_us: int
    critical_path: tuple[str, ...]
    steps: tuple[StepTiming, ...]
    #: True: there were more steps than the server had room for.
    truncated: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the server's line of JSON; what a newer server adds is left out."""
        content: dict[str, Any] = json.loads(text)
        steps = tuple(StepTiming(**_known(StepTiming, step)) for step in content["steps"])
        path = tuple(content["critical_path"])
        return cls(**{**_known(cls, content), "steps": steps, "critical_path": path})

    def step(self, name: str) -> StepTiming:
        """The step of that name; KeyError if the server told of none."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)


def _known(kind: type[Any], content: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in content.items() if name in names}
