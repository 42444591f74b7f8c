"""Arrays in memory that the server reads and writes too."""

import mmap
import os
import uuid
from typing import Any

import numpy as np

from tiffin._values import Array, datatype_of
from tiffin.errors import InvalidArgument

_FOLDER = "/dev/shm"  # noqa: S108 - where the server looks for clients' memory.


class SharedArray:
    """A copy of an array in a file of /dev/shm; `share()` of a client makes it and ends it.

    `array` can be written to, and is what the server reads when it is an input. As the place of an
    output it is overwritten.
    """

    def __init__(self, array: Any) -> None:
        original = np.asarray(array)
        datatype_of(original, "what is shared")
        if original.nbytes == 0:
            raise InvalidArgument("an empty array can't be shared; send it as it is")
        #: The server's name of it.
        self.name = f"tiffin-{uuid.uuid4().hex}"
        #: That of the file.
        self.key = f"/{self.name}"
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # All of it, for there is no error to be had once it is mapped.
            os.posix_fallocate(descriptor, 0, original.nbytes)
            # Stays mapped as long as an array lies on it.
            self._memory = mmap.mmap(descriptor, original.nbytes)
        except BaseException:
            self.unlink()
            raise
        finally:
            os.close(descriptor)
        self.array: Array = self.view(original.dtype.newbyteorder("<"), original.shape)
        self.array[...] = original

    @property
    def _path(self) -> str:
        return f"{_FOLDER}{self.key}"

    def view(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        """The first bytes as another array."""
        count = 1
        for size in shape:
            count *= size
        return np.frombuffer(self._memory, dtype, count).reshape(shape)

    def unlink(self) -> None:
        """Takes the name away. Who has the file open still has it, as the server does once it is
        registered; so nothing is left of it when both are gone."""
        os.unlink(self._path)
