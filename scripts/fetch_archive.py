#!/usr/bin/env python3
"""Fetches one file of a Python package's archive, or one folder of it, without building it.

`pip download` would build a source archive to learn its dependencies, which takes minutes where the
source is C++, and would install a wheel's dependencies. Of all archives of a version the one with
the SHA-256 given here is taken.
"""

import argparse
import hashlib
import os
import pathlib
import shutil
import sys
import tarfile
import tempfile
import zipfile
from functools import partial

from pypi_simple import PYPI_SIMPLE_ENDPOINT, PyPISimple


def download(project, version, sha256, folder):
    """Downloads the archive of `project` at `version` that has `sha256`; returns its path."""
    # The same index as pip's, where its environment variable names one.
    endpoint = os.environ.get("PIP_INDEX_URL", PYPI_SIMPLE_ENDPOINT)
    with PyPISimple(endpoint) as index:
        for package in index.get_project_page(project).packages:
            if package.version == version and package.digests.get("sha256") == sha256:
                path = folder / package.filename
                index.download_package(package, path)
                return path
    sys.exit(f"fetch_archive: the package index has no archive of {project} {version} with the "
             f"SHA-256 {sha256}")


def check(path, sha256):
    got = hashlib.sha256(path.read_bytes()).hexdigest()
    if got != sha256:
        sys.exit(f"fetch_archive: {path.name} has the SHA-256 {got}, not {sha256}: not unpacked")


def files_of(path):
    """The regular files of an archive: name, whether it can be run, a function that opens it."""
    if path.suffix in (".zip", ".whl"):
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    # The upper half of the attributes holds the mode, as Unix has it.
                    executable = bool(member.external_attr >> 16 & 0o100)
                    yield member.filename, executable, partial(archive.open, member)
    else:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile():
                    executable = bool(member.mode & 0o100)
                    yield member.name, executable, partial(archive.extractfile, member)


def unpack(path, prefix, destination):
    """Replaces `destination` by what the archive has under `prefix`, at once or not at all."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".fetch-") as scratch:
        staged = pathlib.Path(scratch) / "staged"
        count = 0
        for name, executable, opened in files_of(path):
            # The first part is the archive's own folder, such as name-version.
            inner = pathlib.PurePosixPath(*pathlib.PurePosixPath(name).parts[1:])
            if ".." in inner.parts or not inner.is_relative_to(prefix):
                continue
            target = staged / inner.relative_to(prefix)
            target.parent.mkdir(parents=True, exist_ok=True)
            with opened() as source, open(target, "wb") as sink:
                shutil.copyfileobj(source, sink)
            target.chmod(0o755 if executable else 0o644)
            count += 1
        if count == 0:
            sys.exit(f"fetch_archive: {path.name} has nothing under {prefix}")
        if destination.is_dir():
            shutil.rmtree(destination)
        staged.rename(destination)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", help="NAME==VERSION")
    parser.add_argument("--sha256", required=True, help="of the archive")
    parser.add_argument("--take", required=True, help="the file or folder within the archive")
    parser.add_argument("--to", required=True, type=pathlib.Path, help="where it goes")
    args = parser.parse_args()
    project, version = args.project.split("==")
    with tempfile.TemporaryDirectory() as folder:
        path = download(project, version, args.sha256, pathlib.Path(folder))
        check(path, args.sha256)
        unpack(path, args.take, args.to)


if __name__ == "__main__":
    main()
