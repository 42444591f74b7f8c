"""deploy/docker/compose.yaml, run by Debian's docker-compose on Podman.

Podman 4.3 is no Docker. What it lacks is done here as Docker would (it asks for no container's
health without systemd), or replaced by a second file: it has no log driver `local`, and takes the
size of a tmpfs for a quota. All else is as it is written.
"""

import os
import subprocess

import yaml

import harness
from gateways import START_S, Gateway, free_port
from harness import eventually

FILE = harness.ROOT / "deploy/docker/compose.yaml"
_WRITTEN = yaml.safe_load(FILE.read_text())
SERVICES = _WRITTEN["services"]


def _for_podman():
    """The second file."""
    options = dict(_WRITTEN["volumes"]["sockets"]["driver_opts"])
    size, _, rest = options["o"].partition(",")
    assert size == "size=1m"
    options["o"] = f"nr_blocks=256,{rest}"
    return {"services": {name: {"logging": {"driver": "json-file"}} for name in SERVICES},
            "volumes": {"sockets": {"driver_opts": options}}}


class Compose(Gateway):
    """What `docker-compose up` starts, by the API at the address `api`, on ports of its own. A
    context manager: leaving it removes everything."""

    def __init__(self, podman, api):
        self.podman = podman
        self.name = "tiffin"
        grpc_port, http_port = free_port(), free_port()
        self.address = f"127.0.0.1:{grpc_port}"
        self.http_address = f"127.0.0.1:{http_port}"
        self._override = podman.folder / "override.yaml"
        own = {name: value for name, value in os.environ.items()
               if not name.startswith(("COMPOSE_", "DOCKER_"))}
        self._environment = {**own, "DOCKER_HOST": api, "TIFFIN_STORE": harness.MODELS.resolve(),
                             "TIFFIN_GRPC_PORT": str(grpc_port), "TIFFIN_HTTP_PORT": str(http_port)}

    def __enter__(self):
        self._override.write_text(yaml.safe_dump(_for_podman()))
        try:
            with self.start("up", "--detach", "--no-build") as starting:
                try:
                    eventually(lambda: self._has_ended(starting), START_S, "the end of 'up'")
                finally:
                    starting.kill()
            assert starting.returncode == 0
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.run("logs", "--tail=40", check=False).stdout)  # pytest shows it.
        self.run("down", "--volumes", "--timeout=0", check=False)

    def _command(self, arguments):
        return ["docker-compose", "--file", FILE, "--file", self._override, *arguments]

    def run(self, *arguments, check=True):
        ended = subprocess.run(self._command(arguments), env=self._environment, text=True,
                               capture_output=True, timeout=START_S, check=False)
        assert not check or ended.returncode == 0, ended.stderr
        return ended

    def start(self, *arguments):
        """Begins what run() does; the end of the `with` waits for it."""
        return subprocess.Popen(self._command(arguments), env=self._environment)

    def container(self, service):
        return f"{self.name}_{service}_1"

    def states(self):
        """Service -> what Podman says of its container."""
        return {service: self.podman.inspect(self.container(service)) for service in SERVICES}

    def pids(self):
        """Service -> process id."""
        return {service: state["State"]["Pid"] for service, state in self.states().items()}

    def kill(self, service):
        self.podman.kill(self.container(service))

    def _has_ended(self, starting):
        """Whether it did; if not, containers whose health it waits for are asked for it."""
        unknown = self.podman.run("ps", "--filter=health=starting", "--format={{.Names}}")
        for container in unknown.stdout.split():
            self.podman.run("healthcheck", "run", container, check=False)
        return starting.poll() is not None
