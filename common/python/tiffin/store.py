"""The model store, by the commands of the `tiffin` program: it alone writes there."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tiffin.errors import ModelError

PathLike = str | os.PathLike[str]


@dataclasses.dataclass(frozen=True)
class SavedModel:
    """A model of the store."""

    name: str
    version: int
    #: What model.yaml says.
    description: Mapping[str, Any] = dataclasses.field(repr=False)

    @property
    def reference(self) -> str:
        """As service files name it, in this very version."""
        return f"{self.name}:{self.version}"

    @property
    def folder(self) -> pathlib.Path:
        """Where its files are."""
        return pathlib.Path(self.description["dir"])


class Store:
    """A store in a folder; without one $TIFFIN_STORE, else ~/.tiffin/models.

    `tiffin` is the program: without it $TIFFIN, else the one on the PATH. `worker_dir` is where the
    worker programs are, if not beside it.
    """

    def __init__(self, folder: PathLike | None = None, *, tiffin: PathLike | None = None,
                 worker_dir: PathLike | None = None) -> None:
        self.folder = None if folder is None else pathlib.Path(folder)
        self.tiffin = str(tiffin or os.environ.get("TIFFIN") or "tiffin")
        self._worker_dir = worker_dir
        if shutil.which(self.tiffin) is None:
            raise ModelError(f"no program '{self.tiffin}'; build it first, or name it by the "
                             "option tiffin, or by $TIFFIN")

    def import_model(self, name: str, files: Iterable[PathLike], *, backend: str | None = None,
                     inputs: Mapping[str, str] | None = None,
                     outputs: Mapping[str, str] | None = None, batchable: bool = True,
                     labels: Sequence[str] = (), options: Mapping[str, Any] | None = None,
                     metadata: Mapping[str, Any] | None = None,
                     example: Mapping[str, Any] | None = None) -> SavedModel:
        """Copies the files into the store, as the model's next version, once the worker has loaded
        them and run the example. ModelError says what is wrong, if anything is.

        `inputs` and `outputs`: name -> type, as in {"features": "fp32[64]"}, without rows, where
        the files don't tell. `example`: one row of each input, as JSON has it.
        """
        # In the form --flag=value, whatever the value begins with.
        words = [f"--input={key}:{kind}" for key, kind in (inputs or {}).items()]
        words += [f"--output={key}:{kind}" for key, kind in (outputs or {}).items()]
        words += [f"--label={label}" for label in labels]
        words += [f"--option={key}={json.dumps(value)}" for key, value in (options or {}).items()]
        words += [f"--metadata={key}={json.dumps(value)}"
                  for key, value in (metadata or {}).items()]
        if backend is not None:
            words.append(f"--backend={backend}")
        if self._worker_dir is not None:
            words.append(f"--worker-dir={self._worker_dir}")
        if not batchable:
            words.append("--not-batchable")
        with tempfile.TemporaryDirectory() as scratch:
            if example is not None:
                # In a file, for it may be larger than an argument.
                file = pathlib.Path(scratch) / "example.json"
                file.write_text(json.dumps(example), "utf-8")
                words.append(f"--example=@{file}")
            said = self._run("import", name, *map(str, files), *words)
        # "imported NAME:VERSION", and more.
        return self.find(said.split("\n", 1)[0].removeprefix("imported "))

    def find(self, reference: str) -> SavedModel:
        """The model "NAME", "NAME:latest" or "NAME:VERSION". ModelError if there is none."""
        shown = json.loads(self._run("show", reference, "--json"))
        return SavedModel(shown["name"], shown["version"], shown)

    def describe(self, reference: str) -> str:
        """What `tiffin models show` prints."""
        return self._run("show", reference)

    def _run(self, *words: str) -> str:
        """What it printed."""
        command = [self.tiffin, "models", *words]
        if self.folder is not None:
            command += ["--store", str(self.folder)]
        try:
            done = subprocess.run(command, text=True, check=False, capture_output=True)
        except OSError as error:
            raise ModelError(f"{self.tiffin} can't be run: {error}") from error
        if done.returncode != 0:
            raise ModelError(_reason(done.stderr) or f"{self.tiffin} models {words[0]} failed")
        return done.stdout


def _reason(said: str) -> str:
    """What it says without its name, nor how far it had got."""
    marker = "tiffin: "
    position = said.find(marker)
    return (said[position + len(marker):] if position >= 0 else said).strip()


def opened(store: "Store | PathLike | None") -> Store:
    """The store that a caller means."""
    return store if isinstance(store, Store) else Store(store)
