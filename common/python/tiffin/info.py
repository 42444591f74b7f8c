"""What a server tells of its models."""

import dataclasses
from typing import Any, Self


@dataclasses.dataclass(frozen=True)
class TensorInfo:
    """An input or an output. `shape` has -1 where any size will do."""

    name: str
    #: KServe v2's, as in "FP32".
    datatype: str
    shape: tuple[int, ...]
    #: As service files call it: "image", "text", "json", "bytes", or "fp32[64]".
    type: str


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """An API, a runner, or another method of one."""

    name: str
    version: str
    #: The runner's backend; "tiffin" for an API.
    platform: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    ready: bool = False

    @classmethod
    def of(cls, metadata: Any) -> Self:
        """From KServe v2's ModelMetadataResponse."""
        def tensors(which: str) -> tuple[TensorInfo, ...]:
            return tuple(
                TensorInfo(tensor.name, tensor.datatype, tuple(tensor.shape),
                           metadata.properties.get(f"{which}.{tensor.name}", ""))
                for tensor in getattr(metadata, f"{which}s"))

        return cls(metadata.name, metadata.versions[0], metadata.platform, tensors("input"),
                   tensors("output"))

    def input(self, name: str) -> TensorInfo | None:
        """The input of that name, if there is one."""
        return next((tensor for tensor in self.inputs if tensor.name == name), None)
