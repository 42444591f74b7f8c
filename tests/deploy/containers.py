"""Podman without a registry and without leaving anything behind: its images, layers and state are
in one folder, and the base image is made here, from Debian's packages."""

import contextlib
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess

from harness import eventually

ROOT = pathlib.Path(__file__).resolve().parents[2]

BASE = "docker.io/library/debian:bookworm-slim"
NEEDED = ("podman", "runc", "catatonit", "debootstrap", "docker-compose", "iptables")

_CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
_STORAGE_CONF = """\
[storage]
driver = "overlay"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""

# What Podman does in seconds on a quiet machine.
PODMAN_S = 60

_MOST_PROCESSES = 32768  # What Podman lowers its own limit to.

# What Debian's slim image leaves out too.
_LEFT_OUT = ("./dev/*", "./etc/resolv.conf", "./var/cache/apt/*", "./var/lib/apt/lists/*",
             "./var/log/*", "./usr/share/doc/*", "./usr/share/info/*", "./usr/share/locale/*",
             "./usr/share/man/*", "./usr/share/lintian/*")
_SOURCES = """\
deb http://deb.debian.org/debian bookworm main
deb http://deb.debian.org/debian bookworm-updates main
deb http://deb.debian.org/debian-security bookworm-security main
"""


class Podman:
    """Podman with all of its storage in `folder`."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        # No more than this process may have itself.
        files, processes = (resource.getrlimit(limit)[1] for limit in (
            resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
        processes = min(processes, _MOST_PROCESSES)
        configuration = {
            "containers.conf": _CONTAINERS_CONF.format(
                files=files, processes=processes, folder=self.folder),
            "storage.conf": _STORAGE_CONF.format(folder=self.folder)}
        for name, text in configuration.items():
            (self.folder / name).write_text(text)
        self.environment = {**os.environ,
                            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
                            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf")}

    def run(self, *arguments, check=True, timeout=300, **kwargs):
        ended = subprocess.run(["podman", *map(str, arguments)], env=self.environment, text=True,
                               capture_output=True, timeout=timeout, check=False, **kwargs)
        if check and ended.returncode != 0:
            raise AssertionError(f"podman {' '.join(map(str, arguments))} ended with "
                                 f"{ended.returncode}: {ended.stdout}{ended.stderr}")
        return ended

    def start(self, *arguments):
        """Begins what run() does; the end of the `with` waits for it."""
        return subprocess.Popen(["podman", *map(str, arguments)], env=self.environment,
                                stdout=subprocess.DEVNULL)

    @contextlib.contextmanager
    def api(self):
        """Docker's API, as long as the `with`: the address of its socket."""
        socket = self.folder / "podman.sock"
        socket.unlink(missing_ok=True)
        address = f"unix://{socket}"
        # Health is asked for by timers of systemd's, where there is one; here, by who waits for it.
        environment = {**self.environment, "DISABLE_HC_SYSTEMD": "true"}
        with subprocess.Popen(["podman", "system", "service", "--time=0", address],
                              env=environment) as service:
            try:
                eventually(socket.is_socket, PODMAN_S, "the socket of Podman's API")
                yield address
            finally:
                service.terminate()

    def inspect(self, name, what="container"):
        return json.loads(self.run("inspect", "--type", what, name).stdout)[0]

    def kill(self, name):
        """Kills the container's process, and waits until it was started again."""
        before = self.inspect(name)["State"]["Pid"]
        os.kill(before, signal.SIGKILL)
        eventually(lambda: self.inspect(name)["State"]["Pid"] not in (0, before), PODMAN_S,
                   f"a new process of {name}")

    def expect_no_rights(self, name):
        """What runs in the container is nobody, may nothing, and can't write to its root."""
        state = self.inspect(name)
        status = pathlib.Path(f"/proc/{state['State']['Pid']}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines())
        assert fields["Uid"].split() == ["65532"] * 4, name
        assert fields["NoNewPrivs"] == "1", name
        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(fields[capabilities], 16) == 0, name
        assert state["HostConfig"]["ReadonlyRootfs"] is True, name

    def has_image(self, name):
        return self.run("image", "exists", name, check=False).returncode == 0

    def make_base(self):
        """Imports a minimal Debian 12 as the image that the Dockerfile begins with."""
        if self.has_image(BASE):
            return
        rootfs, archive = self.folder / "rootfs", self.folder / "rootfs.tar"
        shutil.rmtree(rootfs, ignore_errors=True)
        subprocess.run(["debootstrap", "--variant=minbase", "bookworm", str(rootfs)], check=True,
                       stdout=subprocess.DEVNULL)
        (rootfs / "etc/apt/sources.list").write_text(_SOURCES)
        subprocess.run(["tar", "-C", str(rootfs), *(f"--exclude={path}" for path in _LEFT_OUT),
                        "-cf", str(archive), "."], check=True)
        self.run("import", archive, BASE)
        shutil.rmtree(rootfs)
        archive.unlink()

    def build(self, *arguments, timeout=1800):
        """scripts/image with these arguments; what it printed."""
        ended = subprocess.run(
            [str(ROOT / "scripts/image"), "--tool", "podman", *map(str, arguments),
             "--", "--network=host", "--pull=never"],
            env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=timeout, check=False)
        assert ended.returncode == 0, ended.stdout[-4000:]
        return ended.stdout

    def clean_up(self, images):
        """Ends what runs in containers of this folder's. `images`: and removes it with them."""
        self.run("pod", "rm", "--all", "--force", "--time", "0", check=False)
        self.run("rm", "--all", "--force", "--time", "0", check=False)
        self.run("volume", "rm", "--all", "--force", check=False)
        self.run("network", "prune", "--force", check=False)
        if not images:
            return
        self.run("rmi", "--all", "--force", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
