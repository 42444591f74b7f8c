"""Python's values as the protocols carry them: numpy arrays, elements of BYTES, JSON, files."""

import importlib
import json
import os
import pathlib
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tiffin.errors import InvalidArgument

Array = np.ndarray[Any, np.dtype[Any]]

_NUMPY_NAMES = {
    "BOOL": "bool", "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64",
    "INT8": "int8", "INT16": "int16", "INT32": "int32", "INT64": "int64", "FP16": "float16",
    "FP32": "float32", "FP64": "float64", "BF16": "bfloat16"}
_DATATYPES = {numpy_name: name for name, numpy_name in _NUMPY_NAMES.items()}
# The same without asking for the name, which takes numpy longer than all else here.
_COMMON = {np.dtype(numpy_name): name for numpy_name, name in _DATATYPES.items()
           if numpy_name != "bfloat16"}
_LENGTH = struct.Struct("<I")


def numpy_dtype(datatype: str) -> np.dtype[Any]:
    """numpy's type of a KServe v2 datatype."""
    if datatype == "BYTES":
        return np.dtype(object)
    if datatype == "BF16":
        # numpy has none of its own.
        try:
            bfloat16: np.dtype[Any] = np.dtype(importlib.import_module("ml_dtypes").bfloat16)
            return bfloat16
        except ImportError:
            raise InvalidArgument(
                "tensors of BF16 need the package ml_dtypes; install it") from None
    if datatype not in _NUMPY_NAMES:
        raise InvalidArgument(f"this client knows no datatype '{datatype}'; use a newer one")
    return np.dtype(_NUMPY_NAMES[datatype])


def is_array(value: Any) -> bool:
    """True for numpy's arrays and numbers, and for what gives one, like a tensor of torch's."""
    return hasattr(value, "__array__")


def datatype_of(array: Array, what: str) -> str:
    """KServe v2's datatype of an array of numbers."""
    datatype = _COMMON.get(array.dtype) or _DATATYPES.get(array.dtype.name)
    if datatype is None:
        raise InvalidArgument(
            f"{what} is an array of {array.dtype.name}, which tensors can't have; convert it by "
            f"astype() to one of {', '.join(_DATATYPES)}")
    return datatype


def encode_array(value: Any, what: str) -> tuple[str, tuple[int, ...], bytes]:
    """Datatype, shape and contents. Strings and bytes become elements of BYTES."""
    array = np.asarray(value)
    if array.dtype.kind in "OSU":
        return "BYTES", array.shape, frame(array.ravel().tolist(), what)
    datatype = datatype_of(array, what)
    # Tensors are little-endian, and dense.
    return datatype, array.shape, array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def decode_array(datatype: str, shape: Sequence[int], data: bytes) -> Array:
    """The array of a tensor, lying on `data`: it can't be written to."""
    if datatype == "BYTES":
        elements = unframe(data)
        array = np.empty(len(elements), object)
        array[:] = elements
        return array.reshape(tuple(shape))
    return np.frombuffer(data, numpy_dtype(datatype)).reshape(tuple(shape))


def array_like(value: Any, datatype: str, what: str) -> Array:
    """Nested lists as the array that the server wants."""
    dtype = numpy_dtype(datatype)
    try:
        return np.asarray(value, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidArgument(f"{what} can't be made a tensor of {datatype}: {error}") from None


def frame(elements: Iterable[Any], what: str) -> bytes:
    """Elements of BYTES with their lengths."""
    parts: list[bytes] = []
    for element in elements:
        content = element.encode() if isinstance(element, str) else element
        if not isinstance(content, (bytes, bytearray, memoryview)):
            raise InvalidArgument(
                f"{what} has a {type(element).__name__} among its elements, which must be bytes or "
                "str")
        parts += (_LENGTH.pack(len(content)), bytes(content))
    return b"".join(parts)


def unframe(data: bytes) -> list[bytes]:
    """The elements of BYTES."""
    elements = []
    position = 0
    while position < len(data):
        (size,) = _LENGTH.unpack_from(data, position)
        position += _LENGTH.size
        elements.append(data[position:position + size])
        position += size
    return elements


def content_of(value: Any, what: str) -> bytes:
    """The bytes of an image or of any bytes: as they are, or in a file."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, os.PathLike):
        return pathlib.Path(value).read_bytes()
    fix = "; for a file write pathlib.Path(...)" if isinstance(value, str) else ""
    raise InvalidArgument(
        f"{what} must be bytes, or the path of a file, and is a {type(value).__name__}{fix}")


def text_of(value: Any, what: str) -> str:
    """A text, which no bytes are taken for."""
    if isinstance(value, str):
        return value
    raise InvalidArgument(f"{what} must be a str, and is a {type(value).__name__}")


def json_text(value: Any, what: str) -> str:
    """`value` as JSON."""
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"{what} is no JSON value: {error}") from None
