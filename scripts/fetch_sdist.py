#!/usr/bin/env python3
"""Fetches one file of a Python package's source archive, or one folder of it, without building it.

`pip download` would build the package to learn its dependencies, which takes minutes where the
source is C++. The archive is accepted only if it has the SHA-256 given here.
"""

import argparse
import hashlib
import os
import pathlib
import shutil
import sys
import tarfile
import tempfile

from pypi_simple import PYPI_SIMPLE_ENDPOINT, PyPISimple


def download(project, version, folder):
    """Downloads the source archive of `project` at `version`; returns its path."""
    # The same index as pip's, where its environment variable names one.
    endpoint = os.environ.get("PIP_INDEX_URL", PYPI_SIMPLE_ENDPOINT)
    with PyPISimple(endpoint) as index:
        for package in index.get_project_page(project).packages:
            if package.package_type == "sdist" and package.version == version:
                path = folder / package.filename
                index.download_package(package, path)
                return path
    sys.exit(f"fetch_sdist: the package index has no source archive of {project} {version}")


def check(path, sha256):
    got = hashlib.sha256(path.read_bytes()).hexdigest()
    if got != sha256:
        sys.exit(f"fetch_sdist: {path.name} has the SHA-256 {got}, not {sha256}: not unpacked")


def members_under(archive, prefix):
    """The regular files at or under `prefix`, with their paths relative to it."""
    for member in archive:
        # The first part is the archive's own folder, name-version.
        inner = pathlib.PurePosixPath(*pathlib.PurePosixPath(member.name).parts[1:])
        if member.isfile() and ".." not in inner.parts and inner.is_relative_to(prefix):
            yield member, inner.relative_to(prefix)


def unpack(path, prefix, destination):
    """Replaces `destination` by what the archive has under `prefix`, at once or not at all."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".fetch-") as scratch:
        staged = pathlib.Path(scratch) / "staged"
        count = 0
        with tarfile.open(path) as archive:
            for member, relative in members_under(archive, prefix):
                target = staged / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.extractfile(member) as source, open(target, "wb") as sink:
                    shutil.copyfileobj(source, sink)
                target.chmod(0o755 if member.mode & 0o100 else 0o644)
                count += 1
        if count == 0:
            sys.exit(f"fetch_sdist: {path.name} has nothing under {prefix}")
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
        path = download(project, version, pathlib.Path(folder))
        check(path, args.sha256)
        unpack(path, args.take, args.to)


if __name__ == "__main__":
    main()
