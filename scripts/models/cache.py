"""Tells whether something has been made already, of the same sources."""

import hashlib
import pathlib
import re

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
PACKAGE = ROOT / "common/python/tiffin"


def key(modules, packages, *others):
    """Changes when one of the modules (of this folder, or by its path), the pinned version of one
    of the packages, or one of the other strings does, and only then."""
    digest = hashlib.sha256()
    for module in modules:
        digest.update((FOLDER / f"{module}.py").read_bytes())
    pins = pinned_versions()
    for package in packages:
        digest.update(f"\0{package}=={pins[package]}".encode())
    for other in others:
        digest.update(b"\0" + other.encode())
    return digest.hexdigest()[:16]


def pinned_versions():
    pins = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "scripts/requirements.txt").read_text(), re.M)
    return dict(pins)
