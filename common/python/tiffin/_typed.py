"""Messages of the typed API: a field for each input and output, by name."""

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import descriptor, json_format
from google.protobuf.message import Message

from tiffin import _values
from tiffin.errors import InvalidArgument

TENSOR = "tiffin.v1.Tensor"
JSON = "google.protobuf.Value"

Field = Any  # A FieldDescriptor, of whichever implementation protobuf has.


def unknown_inputs(kind: type[Message], inputs: Mapping[str, Any]) -> list[str]:
    """Those that the API doesn't have."""
    return [name for name in inputs if name not in kind.DESCRIPTOR.fields_by_name]


def needs_datatypes(kind: type[Message], inputs: Mapping[str, Any]) -> bool:
    """True if there is a tensor among the inputs that doesn't say itself what it is made of."""
    return any(
        _message_name(field) == TENSOR and not _values.is_array(inputs[name])
        for name, field in kind.DESCRIPTOR.fields_by_name.items() if name in inputs)


def encode(kind: type[Message], api: str, inputs: Mapping[str, Any],
           datatypes: Mapping[str, str]) -> Message:
    """The request. What is missing is the server's to say."""
    for name in unknown_inputs(kind, inputs):
        have = ", ".join(kind.DESCRIPTOR.fields_by_name)
        raise InvalidArgument(f"'{api}' has no input '{name}' (it has {have})")
    request = kind()
    for name, value in inputs.items():
        field = kind.DESCRIPTOR.fields_by_name[name]
        what = f"input '{name}' of '{api}'"
        if not field.is_repeated:
            _set(request, field, value, what, datatypes)
        elif isinstance(value, (list, tuple)) or _values.is_array(value):
            for row in value:
                _add(getattr(request, name), field, row, what)
        else:
            raise InvalidArgument(f"{what} takes rows; give a list, even of one")
    return request


def decode(reply: Message) -> dict[str, Any]:
    """The outputs by name."""
    return {field.name: _output(reply, field) for field in reply.DESCRIPTOR.fields
            if field.is_repeated or reply.HasField(field.name)}


def _message_name(field: Field) -> str:
    return field.message_type.full_name if field.message_type is not None else ""


def _scalar(field: Field, value: Any, what: str) -> Any:
    if field.type == descriptor.FieldDescriptor.TYPE_STRING:
        return _values.text_of(value, what)
    return _values.content_of(value, what)


def _set(request: Message, field: Field, value: Any, what: str,
         datatypes: Mapping[str, str]) -> None:
    if _message_name(field) == TENSOR:
        if not _values.is_array(value):
            value = _values.array_like(value, datatypes[field.name], what)
        tensor: Any = getattr(request, field.name)
        tensor.dtype, shape, tensor.data = _values.encode_array(value, what)
        tensor.shape.extend(shape)
    elif _message_name(field) == JSON:
        _set_json(getattr(request, field.name), value, what)
    else:
        setattr(request, field.name, _scalar(field, value, what))


def _add(rows: Any, field: Field, value: Any, what: str) -> None:
    if _message_name(field) == JSON:
        _set_json(rows.add(), value, what)
    else:
        rows.append(_scalar(field, value, what))


def _set_json(message: Message, value: Any, what: str) -> None:
    # Says what is no JSON, which ParseDict doesn't do well.
    _values.json_text(value, what)
    json_format.ParseDict(value, message)


def _output(reply: Message, field: Field) -> Any:
    value = getattr(reply, field.name)
    return list(_each(field, value)) if field.is_repeated else _one(field, value)


def _each(field: Field, values: Any) -> Iterator[Any]:
    return (_one(field, value) for value in values)


def _one(field: Field, value: Any) -> Any:
    if _message_name(field) == TENSOR:
        return _values.decode_array(value.dtype, value.shape, value.data)
    if _message_name(field) == JSON:
        return _whole(json_format.MessageToDict(value))
    return value


def _whole(value: Any) -> Any:
    """JSON has one kind of numbers, and so has protobuf: those that are whole become ints, as
    Python reads them in JSON."""
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
