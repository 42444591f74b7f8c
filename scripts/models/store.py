"""The model store, by the commands of the `tiffin` program."""

import json
import shutil
import subprocess

from models.console import Problem


class Store:
    """A store in a folder. `folder` None is tiffin's own choice ($TIFFIN_STORE, or one at home)."""

    def __init__(self, tiffin, folder=None):
        if shutil.which(str(tiffin)) is None:
            raise Problem(f"no program {tiffin}; build it first, or name it by --tiffin")
        self.tiffin = tiffin
        self.folder = folder

    def made_from(self, name):
        """The `made_from` in the metadata of the model's latest version; None if there is none."""
        shown = self._run("show", name, "--json")
        return json.loads(shown.stdout)["metadata"].get("made_from") if shown else None

    def import_model(self, name, files, *, labels, example, metadata, backend=None,
                     inputs=(), outputs=(), options=None, worker_dir=None):
        """Runs `tiffin models import`, which loads the model and runs the example; its own words
        say what is wrong, if anything is. Returns the lines that it printed."""
        words = ["import", name, *files]
        # In the form --flag=value, whatever the value begins with.
        words += [f"--input={text}" for text in inputs]
        words += [f"--output={text}" for text in outputs]
        words += [f"--label={label}" for label in labels]
        words += [f"--option={key}={json.dumps(value)}" for key, value in (options or {}).items()]
        words += [f"--metadata={key}={json.dumps(value)}" for key, value in metadata.items()]
        words += [f"--example={json.dumps(example)}"]
        if backend:
            words.append(f"--backend={backend}")
        if worker_dir:
            words.append(f"--worker-dir={worker_dir}")
        imported = self._run(*words, errors_shown=True)
        if imported is None:
            raise Problem(f"'{self.tiffin} models import {name}' failed, see above")
        return imported.stdout.splitlines()

    def _run(self, *words, errors_shown=False):
        """The finished process; None if it failed."""
        command = [self.tiffin, "models", *words]
        if self.folder is not None:
            command += ["--store", self.folder]
        done = subprocess.run(
            [str(word) for word in command], text=True, check=False, stdout=subprocess.PIPE,
            stderr=None if errors_shown else subprocess.DEVNULL)
        return done if done.returncode == 0 else None
