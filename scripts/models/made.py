"""Whether an example's models are there already, and the expectations that say so.

An example's models are a module: MODELS (their names), EXPECTED (a file's name in the store),
made_from() (a key of all that they are made from), FOLDER (what is kept beside the store, or None),
and make(store, images), which trains, imports, draws images into the folder `images`, and writes
the expectations last.
"""

import json


def is_made(module, store, images):
    """True if the store has the models, and the images and the expectations are of the same
    making."""
    made_from = module.made_from()
    try:
        expected = json.loads((store.folder / module.EXPECTED).read_text())
    except (OSError, ValueError):
        return False
    return (expected["made_from"] == made_from
            and (module.FOLDER is None or module.FOLDER.is_dir())
            and all((images / name).is_file() for name in expected["images"])
            and all(store.made_from(name) == made_from for name in module.MODELS))


def write_json(path, content):
    """At once or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=1))
    partial.rename(path)
