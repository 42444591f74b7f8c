"""The Python package of common/python, from the sources, with both of its clients."""

import asyncio
import contextlib
import inspect
import sys

import harness

PACKAGE = harness.ROOT / "common/python"
if str(PACKAGE) not in sys.path:
    sys.path.insert(0, str(PACKAGE))

import tiffin  # noqa: E402 - found by the lines above.


class Caller:
    """A client, or a part of one, whose calls have been waited for when they return."""

    def __init__(self, own, wait):
        self.own = own
        self._wait = wait

    def __getattr__(self, name):
        attribute = getattr(self.own, name)
        if not callable(attribute):
            return attribute

        def call(*args, **kwargs):
            result = self._wait(attribute(*args, **kwargs))
            is_part = type(result).__name__ in ("Client", "AsyncClient", "Service")
            return Caller(result, self._wait) if is_part else result

        return call


@contextlib.contextmanager
def sync_clients():
    """Gives what makes a Client."""
    with contextlib.ExitStack() as stack:
        def make(*args, **options):
            client = stack.enter_context(tiffin.Client(*args, **options))
            return Caller(client, lambda result: result)

        yield make


@contextlib.contextmanager
def async_clients():
    """Gives what makes an AsyncClient, on an event loop of its own."""
    with asyncio.Runner() as runner, contextlib.ExitStack() as stack:
        async def await_it(result):
            return await result

        def wait(result):
            return runner.run(await_it(result)) if inspect.isawaitable(result) else result

        async def make_in_loop(*args, **options):
            return tiffin.AsyncClient(*args, **options)

        def make(*args, **options):
            client = runner.run(make_in_loop(*args, **options))
            stack.callback(lambda: runner.run(client.close()))
            return Caller(client, wait)

        yield make
