"""Networks of PyTorch, into a model store."""

import inspect
import pathlib
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch

from tiffin.errors import ModelError
from tiffin.store import PathLike, SavedModel, Store, opened

_TYPES = {
    torch.bool: "bool", torch.uint8: "uint8", torch.uint16: "uint16", torch.uint32: "uint32",
    torch.uint64: "uint64", torch.int8: "int8", torch.int16: "int16", torch.int32: "int32",
    torch.int64: "int64", torch.float16: "fp16", torch.float32: "fp32", torch.float64: "fp64",
    torch.bfloat16: "bf16"}
_TOLERANCE = 1e-4


def save_model(name: str, model: Any, *, example: Any, inputs: Mapping[str, str] | None = None,
               outputs: Mapping[str, str] | None = None, batchable: bool = True,
               how: Literal["script", "trace"] | None = None, labels: Sequence[str] = (),
               metadata: Mapping[str, Any] | None = None,
               store: Store | PathLike | None = None) -> SavedModel:
    """Puts a module into the store as TorchScript, as the next version of `name`.

    `example`: what the module is called with: a tensor (or an array) if it takes one, else a
    mapping from input to tensor, in the order of its arguments. Their first dimension is the rows,
    unless the model is not `batchable`. The first row is kept with the model.
    `inputs`: types of inputs that are not just what the example is, as in {"ids": "int64[-1]"}.
    `outputs`: names and types, as in {"scores": "fp32[10]"}; without them the server runs the model
    to see. `how`: "script" keeps what the code decides, "trace" records what it did on the example;
    by default the module is traced where it can't be scripted. Either way the result is compared
    with the module itself, a traced one with several numbers of rows.
    """
    network = _network(model)
    tensors = _named(network, example)
    if batchable and any(tensor.dim() == 0 or tensor.shape[0] == 0 for tensor in tensors.values()):
        raise ModelError("the example's first dimension must be rows, one at least; give a batch, "
                         "or batchable=False")
    types = {key: _type_of(key, tensor, batchable) for key, tensor in tensors.items()}
    kept = {key: _row(tensor, batchable) for key, tensor in tensors.items()}
    for key in inputs or {}:
        if key not in types:
            raise ModelError(f"inputs: there is no '{key}' in the example (it has "
                             f"{', '.join(types)})")
    compiled = _compiled(network, tensors, batchable, how)
    with tempfile.TemporaryDirectory() as scratch:
        file = pathlib.Path(scratch) / "model.pt"
        compiled.save(str(file))
        return opened(store).import_model(
            name, [file], backend="torch", inputs={**types, **(inputs or {})}, outputs=outputs,
            batchable=batchable, labels=labels, example=kept,
            metadata={"made_with": f"torch {torch.__version__}", **(metadata or {})})


def _network(model: Any) -> Any:
    if not isinstance(model, torch.nn.Module):
        raise ModelError(f"a {type(model).__name__} is no torch.nn.Module; give the module itself")
    if model.training:
        raise ModelError("the module is in training mode; call eval() first")
    devices = {tensor.device.type for tensor in (*model.parameters(), *model.buffers())}
    if devices - {"cpu"}:
        raise ModelError(f"the module is on {', '.join(sorted(devices))}; call cpu() first")
    return model


def _arguments(network: Any) -> list[str]:
    if isinstance(network, torch.jit.ScriptModule):
        return [argument.name for argument in network.forward.schema.arguments[1:]]
    return list(inspect.signature(network.forward).parameters)


def _named(network: Any, example: Any) -> dict[str, torch.Tensor]:
    """The example's tensors by the names of the inputs."""
    if not isinstance(example, Mapping):
        arguments = _arguments(network)
        if not arguments:
            raise ModelError("the module's forward() takes nothing; a model has an input")
        example = {arguments[0]: example}
    return {key: torch.as_tensor(value) for key, value in example.items()}


def _call(network: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """By the names of the arguments where they are those of the inputs, else by their order, as the
    server does it."""
    if set(tensors) <= set(_arguments(network)):
        return network(**tensors)
    return network(*tensors.values())


def _compiled(network: Any, tensors: Mapping[str, torch.Tensor], batchable: bool,
              how: str | None) -> Any:
    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
        # That constants are recorded is checked below, by what comes out.
        warnings.simplefilter("ignore")
        scripted = None
        if how != "trace":
            scripted = _scripted(network, how)
        compiled = scripted if scripted is not None else _traced(network, tensors)
        _compare(compiled, network, tensors)
        for rows in (1, 2, 5) if batchable and scripted is None else ():
            _compare(compiled, network,
                     {key: _repeated(tensor, rows) for key, tensor in tensors.items()})
    return compiled


def _scripted(network: Any, how: str | None) -> Any:
    if isinstance(network, torch.jit.ScriptModule):
        return network
    try:
        return torch.jit.script(network)
    except Exception as error:  # Whatever its compiler may throw at Python that it doesn't know.
        if how == "script":
            raise ModelError(f"the module can't be scripted: {_first_line(error)}; trace it, by "
                             "how='trace'") from error
        return None


def _traced(network: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    by_name = set(tensors) <= set(_arguments(network))
    given = {"example_kwarg_inputs": dict(tensors)} if by_name else {
        "example_inputs": tuple(tensors.values())}
    try:
        return torch.jit.trace(network, strict=False, check_trace=False, **given)
    except Exception as error:  # Whatever the module may throw.
        raise ModelError(f"the module can't be traced: {_first_line(error)}") from error


def _repeated(tensor: torch.Tensor, rows: int) -> torch.Tensor:
    """That many rows, the example's again and again."""
    return tensor[torch.arange(rows) % tensor.shape[0]]


def _compare(compiled: Any, network: Any, tensors: Mapping[str, torch.Tensor]) -> None:
    try:
        want = _call(network, tensors)
    except Exception as error:  # Whatever the module may throw.
        raise ModelError(f"the module fails on the example: {_first_line(error)}") from error
    try:
        got = _call(compiled, tensors)
    except Exception as error:  # TorchScript has several kinds.
        raise ModelError(f"the compiled module fails where the module itself doesn't: "
                         f"{_first_line(error)}; its code must not depend on the number of "
                         "rows") from error
    try:
        torch.testing.assert_close(got, want, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)
    except AssertionError as error:
        raise ModelError(f"the compiled module answers otherwise than the module itself: "
                         f"{_first_line(error)}") from error


def _type_of(key: str, tensor: torch.Tensor, batchable: bool) -> str:
    if tensor.dtype not in _TYPES:
        raise ModelError(f"input '{key}' is {tensor.dtype}, which can't be served; convert it")
    shape = tensor.shape[1:] if batchable else tensor.shape
    return f"{_TYPES[tensor.dtype]}[{','.join(map(str, shape))}]"


def _row(tensor: torch.Tensor, batchable: bool) -> Any:
    row = tensor[0] if batchable else tensor
    if row.dtype.is_floating_point and not bool(torch.isfinite(row).all()):
        raise ModelError("the example has values that JSON has not (NaN or infinite); give "
                         "another one")
    return row.tolist()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
