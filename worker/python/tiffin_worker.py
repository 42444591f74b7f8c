"""The part of tiffin-worker-python that is written in Python: loads a runner's class, tells what it
takes, and has what it prints and logs go to the worker's log. `_tiffin` is the program's own.
"""

import atexit
import importlib.util
import io
import json
import logging
import os
import sys
import threading
import traceback

import _tiffin
from tiffin import runner
from tiffin.errors import TiffinError


class StartError(Exception):
    """Why a runner can't be: its text is for people."""


# What is printed and logged.


class LogBytes(io.RawIOBase):
    """What is written to the `buffer` of a stream."""

    def __init__(self, stream):
        self._stream = stream

    def writable(self):
        return True

    def write(self, data):
        self._stream.write(bytes(data).decode("utf-8", "backslashreplace"))
        return len(data)


class LogStream(io.TextIOBase):
    """sys.stdout and sys.stderr: each line is a line of the worker's log."""

    def __init__(self, name):
        self._name = name
        self._rest = ""
        self._lock = threading.RLock()
        self.buffer = LogBytes(self)

    encoding = "utf-8"
    errors = "backslashreplace"

    def writable(self):
        return True

    def fileno(self):
        return 2  # Where those who write to descriptors may write, too.

    def write(self, text):
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._say(line)
        return len(text)

    def flush(self):
        """Nothing: a line that isn't whole yet is no line."""

    def finish(self):
        with self._lock:
            rest, self._rest = self._rest, ""
        self._say(rest)

    def _say(self, line):
        line = line.rpartition("\r")[2]  # Of a bar that shows progress, the last state.
        if line:
            say("info", "print", {"stream": self._name, "text": line})


class LogHandler(logging.Handler):
    """What is logged by Python's `logging`."""

    def emit(self, record):
        try:
            fields = {"logger": record.name, "text": record.getMessage()}
            if record.exc_info and record.exc_info[0] is not None:
                fields["traceback"] = "".join(traceback.format_exception(*record.exc_info))
            say(_level_name(record.levelno), "python", fields)
        except Exception:  # pylint: disable=broad-except  # As all handlers do.
            self.handleError(record)


def _level_name(number):
    for level, name in ((logging.ERROR, "error"), (logging.WARNING, "warning"),
                        (logging.INFO, "info")):
        if number >= level:
            return name
    return "debug"


def say(level, event, fields):
    """A line of the worker's log, with the ids of the requests of the call under way."""
    call = getattr(runner.context(), "call", None)
    _tiffin.log(level, event, json.dumps(fields, default=str), call)


def set_debug(debug):
    """As much is logged as the worker's log writes."""
    logging.getLogger().setLevel(logging.DEBUG if debug else logging.INFO)


def _say_thread_failed(failed):
    if failed.exc_type is not SystemExit:
        say("error", "python_exception", {
            "thread": failed.thread.name if failed.thread else "",
            "traceback": "".join(traceback.format_exception(
                failed.exc_type, failed.exc_value, failed.exc_traceback))})


def start(debug):
    """Before anything of the user's runs."""
    sys.stdout = LogStream("stdout")
    sys.stderr = LogStream("stderr")
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr
    logging.getLogger().addHandler(LogHandler())
    logging.captureWarnings(True)
    threading.excepthook = _say_thread_failed
    set_debug(debug)


# Calls.


class CallContext(runner.Context):
    """The call under way."""

    def __init__(self, call):
        self.call = call

    @property
    def request_ids(self):
        return tuple(self.call.request_ids())

    @property
    def rows(self):
        return self.call.rows()

    def time_left(self):
        return self.call.time_left()

    @property
    def cancelled(self):
        return self.call.cancelled()

    def empty(self, shape, dtype, output=None):
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        return self.call.empty(shape, runner.numpy_type(dtype), output)


def explain(error):
    """A call's failure: the name of its code, and its message."""
    if isinstance(error, TiffinError):
        return error.code, error.message
    say("error", "python_exception", {"traceback": "".join(traceback.format_exception(error))})
    code = "RESOURCE_EXHAUSTED" if isinstance(error, MemoryError) else "INTERNAL"
    return code, one_line(error)


def one_line(error):
    """An exception's class and what it says."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # pylint: disable=broad-except  # It is the user's, too.
        text = ""
    name = type(error).__qualname__
    if len(text) > 600:
        text = text[:600] + "..."
    return f"{name}: {text}" if text else name


# The runner.


class Runner:
    """A user's class, loaded."""

    def __init__(self, instance, methods, file):
        self.instance = instance
        self.methods = methods
        self.file = file

    def bound(self, name):
        return getattr(self.instance, name)

    def where(self, name):
        """Where a method stands, for messages."""
        return _where(self.file, self.methods[name].function)

    def close(self):
        if callable(getattr(self.instance, "close", None)):
            self.instance.close()


def load(file, class_name, options):
    """The runner of the class. Raises StartError."""
    cls = _class_of(_module_of(file), file, class_name)
    try:
        methods = runner.methods_of(cls)
    except runner.SignatureError as error:
        raise StartError(f"{_where(file, error.function or cls)}: {error}") from error
    _check_packages(file, methods)
    try:
        instance = cls()
    except BaseException as error:
        raise StartError(_told(file, error, f"{class_name}()")) from error
    if callable(getattr(instance, "load", None)):
        try:
            instance.load(json.loads(options))
        except BaseException as error:
            raise StartError(_told(file, error, f"{class_name}.load")) from error
    elif options != "{}":
        raise StartError(f"{_where(file, cls)}: 'options' is written, and '{class_name}' has no "
                         "method load(self, options) that takes it; add it, or remove the options")
    return Runner(instance, methods, file)


def _module_of(file):
    name = os.path.splitext(os.path.basename(file))[0]
    if not os.path.isfile(file):
        raise StartError(f"{file}: no such file; correct 'python' in the service file")
    # Neighbours can be imported, and the file itself by its name: it is the same module then.
    folder = os.path.dirname(file)
    if folder not in sys.path:
        sys.path.insert(1, folder)
    if name in sys.builtin_module_names or name in ("tiffin", "tiffin_worker", "_tiffin"):
        raise StartError(f"{file}: '{name}' is the name of a module of Python's or Tiffin's; "
                         "rename the file")
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(name, None)
        raise StartError(_told(file, error, "importing it")) from error
    return module


def _class_of(module, file, class_name):
    cls = getattr(module, class_name, None)
    if isinstance(cls, type):
        return cls
    if cls is not None:
        raise StartError(f"{file}: '{class_name}' is no class but a {type(cls).__name__}; name a "
                         "class in 'python'")
    have = sorted(name for name, value in vars(module).items()
                  if isinstance(value, type) and value.__module__ == module.__name__)
    raise StartError(f"{file}: no class '{class_name}' (has {', '.join(have) or 'none'}); correct "
                     "'python' in the service file")


def _how_to_install(package):
    if sys.prefix != sys.base_prefix:
        return f"install it into the runner's environment: {sys.prefix}/bin/pip install {package}"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return (f"give the runner an environment that has it: python{version} -m venv env && "
            f"env/bin/pip install {package}, and 'environment: env' beside 'python'")


def _check_packages(file, methods):
    """That what inputs and outputs need is there."""
    for method in methods.values():
        ports = [*method.inputs, *method.outputs]
        needs = {}
        if any("[" in port.type for port in ports) or any(port.image for port in ports):
            needs["numpy"] = "numpy"
        if any(port.type.startswith("bf16") for port in ports):
            needs["ml_dtypes"] = "ml-dtypes"
        if any(port.image for port in ports):
            needs["PIL"] = "pillow"
        for module, package in needs.items():
            try:
                importlib.import_module(module)
            except ImportError as error:
                raise StartError(
                    f"{_where(file, method.function)}: '{method.name}' needs {package}, and "
                    f"'import {module}' fails in {sys.prefix} ({error}); "
                    f"{_how_to_install(package)}") from error
        if "PIL" in needs:
            importlib.import_module("PIL.Image").init()  # Else the first image does.


def _where(file, what):
    """file:line of a function or a class."""
    code = getattr(what, "__code__", None)
    if code is not None:
        return f"{code.co_filename}:{code.co_firstlineno}"
    try:
        return f"{file}:{importlib.import_module('inspect').getsourcelines(what)[1]}"
    except (OSError, TypeError):
        return file


def _told(file, error, doing):
    """An exception while a runner starts: where in the user's code, and what."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{error.filename}:{error.lineno or 0}: {one_line_of_syntax(error)}"
    advice = ""
    if isinstance(error, ModuleNotFoundError):
        advice = f"; {_how_to_install(error.name)}"
    what = f"{doing} failed: {one_line(error)}{advice}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(os.path.dirname(file) + os.sep)
           and "site-packages" not in frame.filename]
    if not own:
        return f"{file}: {what}"
    last = frames[-1]
    deeper = "" if last is own[-1] or last.filename.startswith("<frozen") else (
        f" (raised in {last.filename}:{last.lineno})")
    return f"{own[-1].filename}:{own[-1].lineno}: {what}{deeper}"


def one_line_of_syntax(error):
    """Without the name of the file and the line, which stand before it."""
    return f"{type(error).__name__}: {error.msg}"


def finish(loaded):
    """At the worker's end: what an interpreter does at its own, but wait for threads."""
    try:
        if loaded is not None:
            loaded.close()
    except BaseException as error:  # pylint: disable=broad-except
        say("error", "python_exception", {"traceback": "".join(traceback.format_exception(error))})
    atexit._run_exitfuncs()  # pylint: disable=protected-access  # There is no other way.
    sys.stdout.finish()
    sys.stderr.finish()
