"""Messages of KServe v2's ModelInfer."""

import os
from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message

from tiffin import _values
from tiffin.errors import InvalidArgument
from tiffin.info import ModelInfo
from tiffin.shared import SharedArray


def needs_info(value: Any) -> bool:
    """True for a value whose datatype only the server can tell."""
    return not (isinstance(value, (str, bytes, bytearray, memoryview, os.PathLike, SharedArray))
                or _values.is_array(value))


def encode(kind: type[Message], model: str, inputs: Mapping[str, Any],
           outputs: Mapping[str, SharedArray | None], info: ModelInfo | None) -> Message:
    """The request, with its tensors as raw contents or in shared memory."""
    request: Any = kind()
    request.model_name = model
    for name, value in inputs.items():
        what = f"input '{name}' of '{model}'"
        tensor = request.inputs.add(name=name)
        if isinstance(value, SharedArray):
            tensor.datatype = _values.datatype_of(value.array, what)
            tensor.shape.extend(value.array.shape)
            _refer(tensor, value)
            continue
        tensor.datatype, shape, content = _contents(value, what, name, info)
        tensor.shape.extend(shape)
        request.raw_input_contents.append(content)
    for name, place in outputs.items():
        tensor = request.outputs.add(name=name)
        if place is not None:
            _refer(tensor, place)
    result: Message = request
    return result


def decode(response: Any, places: Mapping[str, SharedArray | None]) -> dict[str, Any]:
    """The outputs by name."""
    contents = iter(response.raw_output_contents)
    outputs: dict[str, Any] = {}
    for tensor in response.outputs:
        place = places.get(tensor.name)
        if place is None:
            outputs[tensor.name] = _values.decode_array(
                tensor.datatype, tensor.shape, next(contents))
        else:
            dtype = _values.numpy_dtype(tensor.datatype)
            outputs[tensor.name] = place.view(dtype, tuple(tensor.shape))
    return outputs


def _refer(tensor: Any, place: SharedArray) -> None:
    tensor.parameters["shared_memory_region"].string_param = place.name
    tensor.parameters["shared_memory_byte_size"].int64_param = place.array.nbytes


def _contents(value: Any, what: str, name: str,
              info: ModelInfo | None) -> tuple[str, tuple[int, ...], bytes]:
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, (bytes, bytearray, memoryview, os.PathLike)):
        return "BYTES", (1,), _values.frame([_values.content_of(value, what)], what)
    if _values.is_array(value):
        return _values.encode_array(value, what)
    assert info is not None  # As needs_info() said.
    known = info.input(name)
    if known is None:
        have = ", ".join(tensor.name for tensor in info.inputs)
        raise InvalidArgument(f"'{info.name}' has no input '{name}' (it has {have})")
    if known.type == "json":
        return "BYTES", (1,), _values.frame([_values.json_text(value, what)], what)
    return _values.encode_array(_values.array_like(value, known.datatype, what), what)
