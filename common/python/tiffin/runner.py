"""Runners in Python: a class whose methods are steps of a service.

    import numpy as np
    import tiffin

    class Clean:
        def load(self, options):                  # Optional: once, before the first call.
            self.limit = options.get("limit", 100)

        def run(self, text: str) -> str:          # A step: clean(text).
            return text.strip()[:self.limit]

        @tiffin.method(inputs={"x": "fp32[64]"}, outputs={"y": "fp32[10]"}, batchable=True,
                       retry_safe=True)
        def scores(self, x):                      # Another: clean.scores(x), rows first.
            return self.model.predict(x).astype(np.float32)

        def close(self):                          # Optional: once, at the end.
            pass

The service file names it: `runners: {clean: {python: clean.py:Clean, options: {limit: 80}}}`.
Nothing here needs the server: the class can be tested as any other.
"""

import collections.abc
import contextvars
import inspect
import io
import math
import typing

from tiffin.errors import InvalidArgument

# What a JSON value is hinted as.
Json = typing.Annotated[typing.Any, "json"]

Function = collections.abc.Callable[..., typing.Any]

_COLORS = {"rgb": "RGB", "bgr": "RGB", "gray": "L"}


class Image:
    """An input that is an image, decoded: uint8, (height, width, 3), or (height, width) in gray.

    As a hint `tiffin.Image` is in RGB; `Annotated[np.ndarray, tiffin.Image("gray")]` says more, as
    `inputs={"photo": tiffin.Image("gray")}` does. Needs Pillow in the environment. The image is
    turned as its EXIF data say, and what is transparent is laid over white. (An input of the type
    "image" is the encoded bytes.)
    """

    def __init__(self, color: str = "rgb") -> None:
        if color not in _COLORS:
            raise ValueError(f"color '{color}': write one of {', '.join(_COLORS)}")
        self.color = color

    def decode(self, encoded: bytes) -> typing.Any:
        """The pixels of an encoded image. Raises InvalidArgument for what is none."""
        import numpy  # pylint: disable=import-outside-toplevel
        import PIL.Image  # pylint: disable=import-outside-toplevel
        import PIL.ImageOps  # pylint: disable=import-outside-toplevel

        try:
            with PIL.Image.open(io.BytesIO(encoded)) as image:
                pixels = PIL.ImageOps.exif_transpose(image)
                if pixels.mode in ("RGBA", "LA", "PA") or "transparency" in pixels.info:
                    pixels = pixels.convert("RGBA")
                    white = PIL.Image.new("RGBA", pixels.size, (255, 255, 255, 255))
                    pixels = PIL.Image.alpha_composite(white, pixels)
                array = numpy.asarray(pixels.convert(_COLORS[self.color]))
        except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
            raise InvalidArgument(f"not an image that Pillow can read: {error}") from error
        return array[:, :, ::-1] if self.color == "bgr" else array


# The call.


class Context:
    """The call under way, or several that run together. This one is of code outside of a server."""

    request_ids: tuple[str, ...] = ()  # Those of the requests that it is made for.
    rows = 1

    def time_left(self) -> float:
        """Seconds until nobody waits for the answer any more."""
        return math.inf

    @property
    def cancelled(self) -> bool:
        """True once nobody waits for the answer: what takes long asks, and raises Cancelled."""
        return False

    def empty(self, shape: typing.Any, dtype: typing.Any, output: str | None = None) -> typing.Any:
        """See tiffin.empty."""
        import numpy  # pylint: disable=import-outside-toplevel

        del output
        return numpy.empty(shape, numpy_type(dtype))


_current: contextvars.ContextVar[Context] = contextvars.ContextVar("tiffin.context")
_OUTSIDE = Context()


def context() -> Context:
    """The call under way in this thread, or wherever contextvars.copy_context() was taken along."""
    return _current.get(_OUTSIDE)


def empty(shape: typing.Any, dtype: typing.Any, output: str | None = None) -> typing.Any:
    """An uninitialised array for an output, where the output is going to lie: returned from `run`,
    it isn't copied. `dtype` is numpy's, or a name such as "fp32". `output` names the output where
    several could be meant. It belongs to the call: write to it no more once `run` has returned."""
    return context().empty(shape, dtype, output)


# Signatures.

_NUMPY_NAMES = {
    "bool": "bool", "uint8": "uint8", "uint16": "uint16", "uint32": "uint32", "uint64": "uint64",
    "int8": "int8", "int16": "int16", "int32": "int32", "int64": "int64", "fp16": "float16",
    "fp32": "float32", "fp64": "float64", "bytes": "object",
}


def numpy_type(name: typing.Any) -> typing.Any:
    """numpy's dtype for a name of Tiffin's, such as "fp32"; what else numpy knows goes too."""
    import numpy  # pylint: disable=import-outside-toplevel

    if name == "bf16":
        import ml_dtypes  # pylint: disable=import-outside-toplevel

        return numpy.dtype(ml_dtypes.bfloat16)
    return numpy.dtype(_NUMPY_NAMES.get(name, name) if isinstance(name, str) else name)


class SignatureError(Exception):
    """A class that is no runner. `function` is the method in question, or None."""

    def __init__(self, message: str, function: typing.Any = None) -> None:
        super().__init__(message)
        self.function = function


class Port:
    """An input or an output: its name, its type as service files write it, and for an image how it
    is decoded (None: it isn't)."""

    def __init__(self, name: str, type_: str, image: Image | None = None) -> None:
        self.name = name
        self.type = type_
        self.image = image


class Method:
    """A method of a runner."""

    def __init__(self, name: str, function: Function, inputs: list[Port], outputs: list[Port],
                 batchable: bool, retry_safe: bool) -> None:
        self.name = name
        self.function = function
        self.inputs = inputs
        self.outputs = outputs
        self.batchable = batchable
        self.retry_safe = retry_safe


Types = collections.abc.Mapping[str, str | Image | type[Image]]

_MARK = "__tiffin_method__"
_OWN_NAMES = ("load", "close")
_ONE_OUTPUT = "output"


def method(function: typing.Any = None, *, inputs: Types | None = None,
           outputs: Types | None = None, batchable: bool = False,
           retry_safe: bool = False) -> typing.Any:
    """Makes a method of a runner's class a step. (`run` is one without it.)

    inputs, outputs: name -> type, as service files write it ("fp32[64]", "text", "image", "json",
    "bytes", "int64[-1]"), or tiffin.Image. Without them the hints count: `str` is a text, `bytes`
    bytes, `tiffin.Json`, `dict` and `list` JSON, `tiffin.Image` a decoded image, and
    `Annotated[np.ndarray, "fp32[64]"]` a tensor; the one output is called "output". Several outputs
    are returned as a dictionary.
    batchable: it takes rows, of several requests maybe: arrays have them as their first dimension,
    all else is a list, and so are the outputs. Types leave the rows out.
    retry_safe: running a call again does no harm. Calls are batched only then.
    """

    def mark(marked: Function) -> Function:
        setattr(marked, _MARK, {"inputs": inputs, "outputs": outputs, "batchable": batchable,
                                "retry_safe": retry_safe})
        return marked

    return mark if function is None else mark(function)


def methods_of(cls: type) -> dict[str, Method]:
    """The methods of a runner's class by their names. Raises SignatureError."""
    found = {}
    for name, function in inspect.getmembers(cls, inspect.isfunction):
        marked = getattr(function, _MARK, None)
        if name in _OWN_NAMES and marked is not None:
            raise SignatureError(f"'{name}' is called by the server and can be no step; rename it",
                                 function)
        if marked is not None or name == "run":
            found[name] = _read_method(name, function, marked or {})
    if not found:
        raise SignatureError(f"the class '{cls.__name__}' has no step; write a method 'run', or "
                             "mark methods with @tiffin.method")
    return found


def _read_method(name: str, function: Function, marked: dict[str, typing.Any]) -> Method:
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise SignatureError(f"'{name}' is a coroutine or a generator; write a plain 'def'",
                             function)
    parameters = _parameters(name, function)
    batchable = bool(marked.get("batchable"))
    inputs, outputs = marked.get("inputs"), marked.get("outputs")
    hints = _hints(name, function) if inputs is None or outputs is None else {}
    if inputs is None:
        inputs = [_hinted(f"the parameter '{parameter}' of '{name}'", parameter,
                          hints.get(parameter, _NOTHING), batchable, function)
                  for parameter in parameters]
    else:
        if list(inputs) != parameters:
            raise SignatureError(
                f"'{name}' has the parameters ({', '.join(parameters)}) and the inputs "
                f"({', '.join(inputs)}); make them the same, in the same order", function)
        inputs = [_written(f"the input '{key}' of '{name}'", key, value, function)
                  for key, value in inputs.items()]
    if outputs is None:
        outputs = [_hinted(f"what '{name}' returns", _ONE_OUTPUT, hints.get("return", _NOTHING),
                           batchable, function)]
    else:
        outputs = [_written(f"the output '{key}' of '{name}'", key, value, function)
                   for key, value in outputs.items()]
    if not inputs or not outputs:
        raise SignatureError(f"'{name}' has no {'outputs' if inputs else 'inputs'}; a step has at "
                             "least one", function)
    for port in outputs:
        if port.image is not None:
            raise SignatureError(f"the output '{port.name}' of '{name}' can't be tiffin.Image; "
                                 'write "image", and return encoded bytes', function)
    return Method(name, function, inputs, outputs, batchable, bool(marked.get("retry_safe")))


def _parameters(name: str, function: Function) -> list[str]:
    """Their names, without `self`."""
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        raise SignatureError(f"'{name}' has no parameter 'self'", function)
    for parameter in parameters:
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD) or (
                parameter.default is not parameter.empty):
            raise SignatureError(f"the parameter '{parameter}' of '{name}' must be a plain one: "
                                 "no *, no **, no default", function)
    return [parameter.name for parameter in parameters[1:]]


def _hints(name: str, function: Function) -> dict[str, typing.Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception as error:
        raise SignatureError(f"the hints of '{name}' can't be read: {error}", function) from error


_NOTHING = object()
_ADVICE = ('write str, bytes, tiffin.Json, tiffin.Image or Annotated[np.ndarray, "fp32[64]"], or '
           "say it in @tiffin.method(inputs={...}, outputs={...})")
_PLAIN = {str: "text", bytes: "bytes", dict: "json", list: "json"}


def _hinted(what: str, name: str, hint: typing.Any, batchable: bool, function: Function) -> Port:
    """The port that a hint stands for."""
    if hint is _NOTHING:
        raise SignatureError(f"{what} has no hint; {_ADVICE}", function)
    port = _port(name, hint)
    if not batchable:
        if port is None:
            raise SignatureError(f"{what} is hinted as {_shown(hint)}; {_ADVICE}", function)
        return port
    is_rows = typing.get_origin(hint) is list and len(typing.get_args(hint)) == 1
    of_row = _port(name, typing.get_args(hint)[0]) if is_rows else None
    if port is not None and _is_tensor(port):
        return port
    if of_row is None or _is_tensor(of_row):
        raise SignatureError(
            f"{what} is hinted as {_shown(hint)}, and a batchable method has rows; write "
            'list[str], list[bytes], list[tiffin.Json], list[tiffin.Image], or '
            'Annotated[np.ndarray, "fp32[64]"] for the type of a row', function)
    return of_row


def _is_tensor(port: Port) -> bool:
    return "[" in port.type


def _port(name: str, hint: typing.Any) -> Port | None:
    """The port of one value; None for what is none."""
    if hint is Image:
        return Port(name, "image", Image())
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        for said in hint.__metadata__:
            if isinstance(said, Image):
                return Port(name, "image", said)
            if isinstance(said, str):
                return Port(name, said)
        return None
    plain = _PLAIN.get(origin if origin in (dict, list) else hint)
    return None if plain is None else Port(name, plain)


def _shown(hint: typing.Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)


def _written(what: str, name: str, value: typing.Any, function: Function) -> Port:
    """The port that stands in a decorator."""
    if isinstance(value, str):
        return Port(name, value)
    if isinstance(value, Image):
        return Port(name, "image", value)
    if value is Image:
        return Port(name, "image", Image())
    raise SignatureError(f'{what} is {value!r}; write a type such as "fp32[64]", "text", "image", '
                         '"json" or "bytes", or tiffin.Image', function)
