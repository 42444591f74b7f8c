"""What a call gives back."""

from collections.abc import Iterator, Mapping
from typing import Any

from tiffin.timing import Timing


class Reply(Mapping[str, Any]):
    """The outputs by name: `reply["verdict"]`, or `reply.verdict` where no attribute of the reply's
    own is called so.

    Tensors are numpy arrays that can't be written to; those of BYTES have elements of `bytes`.
    """

    def __init__(self, outputs: Mapping[str, Any], request_id: str | None,
                 timing: Timing | None) -> None:
        self._outputs = dict(outputs)
        #: What the server's log calls the request.
        self.request_id = request_id
        #: Where its time went, if the call asked for it.
        self.timing = timing

    def __getitem__(self, name: str) -> Any:
        return self._outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def __getattr__(self, name: str) -> Any:
        outputs = self.__dict__.get("_outputs", {})
        if name in outputs:
            return outputs[name]
        raise AttributeError(f"the reply has no output '{name}' (it has {', '.join(outputs)})")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._outputs]

    def __repr__(self) -> str:
        return f"Reply({self._outputs!r}, request_id={self.request_id!r})"
