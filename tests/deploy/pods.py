"""Pods of the manifests in deploy/kubernetes, run by Podman on this machine.

Podman is no Kubernetes. What it lacks is done here as Kubernetes would (sidecars that end after the
gateway, preStop, variables in arguments), left out (probes, ports), or replaced (volumes, by
folders of this machine). All else of a pod is as it is written: images, arguments, users,
capabilities, limits.
"""

import copy
import shutil

import yaml

import policy
from gateways import Gateway, free_port
from harness import eventually


class Pod:
    """A pod of one Deployment's template. A context manager: leaving it removes the pod."""

    def __init__(self, podman, objects, deployment, name, *, folders, arguments=()):
        """`folders`: volumes that are folders of this machine here, by name. `arguments`: what an
        argument of a container is replaced by, as pairs."""
        self.podman = podman
        self.name = name
        self.spec = copy.deepcopy(next(spec for found, spec, _ in policy.pod_specs(objects)
                                       if found == deployment))
        self._config_maps = [obj for obj in objects if obj["kind"] == "ConfigMap"]
        self._own = podman.folder / name  # Of this pod's empty folders.
        self._replace_volumes(folders)
        replaced = dict(arguments)
        for container in policy.containers(self.spec):
            container["image"] = f"localhost/{container['image']}"
            container["imagePullPolicy"] = "Never"
            container["args"] = [replaced.get(arg, arg) for arg in policy.arguments(container)]
            # They want systemd to run them.
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                container.pop(probe, None)
            container.pop("ports", None)  # They are the machine's.
        self._sidecars = [c["name"] for c in self.spec.get("initContainers", [])
                          if policy.is_sidecar(c)]

    def _replace_volumes(self, folders):
        for volume in self.spec["volumes"]:
            name = volume["name"]
            folder = folders.get(name)
            if "emptyDir" in volume:  # Podman would share it with every pod that has one so named.
                folder = self._own / name
                folder.mkdir(parents=True)
                folder.chmod(0o1777)
            if folder is not None:
                volume.clear()
                volume.update(name=name, hostPath={"path": str(folder)})

    def add_file(self, path, text):
        """Puts a file into the containers that stay."""
        name = path.rpartition("/")[2]
        file = self._own / name
        file.write_text(text)
        self.spec["volumes"].append({"name": name, "hostPath": {"path": str(file)}})
        for container in policy.serves(self.spec):
            container["volumeMounts"].append({"name": name, "mountPath": path, "readOnly": True})

    def manifest(self):
        """What Podman is given."""
        spec = copy.deepcopy(self.spec)
        init = spec.pop("initContainers", [])
        spec["initContainers"] = [c for c in init if not policy.is_sidecar(c)]
        sidecars = [c for c in init if policy.is_sidecar(c)]
        for sidecar in sidecars:
            del sidecar["restartPolicy"]
        spec["containers"] = sidecars + spec["containers"]
        # Who ends well stays ended: the init container, and a gateway that was told to end.
        spec["restartPolicy"] = "OnFailure"
        spec["hostNetwork"] = True
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": self.name}, "spec": spec}

    def __enter__(self):
        file = self.podman.folder / f"{self.name}.yaml"
        file.write_text(yaml.safe_dump_all([*self._config_maps, self.manifest()]))
        try:
            self.podman.run("kube", "play", "--network=host", file)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.logs())  # pytest shows it with the failure.
        self.close()

    def close(self):
        self.podman.run("pod", "rm", "--force", "--time", "0", self.name, check=False)
        shutil.rmtree(self._own, ignore_errors=True)

    def state(self, container):
        return self.podman.inspect(f"{self.name}-{container}")["State"]

    def pids(self):
        """Container -> process id, of those that stay."""
        return {c["name"]: self.state(c["name"])["Pid"] for c in policy.serves(self.spec)}

    def kill(self, container):
        """Kills the container's process, and waits until it was started again."""
        self.podman.kill(f"{self.name}-{container}")

    def terminate(self, meanwhile):
        """Ends the pod as Kubernetes does; what ended with which exit code. `meanwhile` is what
        happens while its preStop runs."""
        (container,) = self.spec["containers"]
        command = container["lifecycle"]["preStop"]["exec"]["command"]
        with self.podman.start("exec", f"{self.name}-{container['name']}", *command) as running:
            meanwhile()
        assert running.returncode == 0
        codes = {name: self._stop(name) for name in [container["name"], *reversed(self._sidecars)]}
        self.close()
        return codes

    def _stop(self, container):
        self.podman.run("kill", "--signal", "TERM", f"{self.name}-{container}")
        grace = self.spec["terminationGracePeriodSeconds"]
        eventually(lambda: not self.state(container)["Running"], grace, f"the end of {container}")
        return self.state(container)["ExitCode"]

    def logs(self):
        return "\n".join(
            self.podman.run("logs", f"{self.name}-{c['name']}", check=False).stderr[-2000:]
            for c in policy.serves(self.spec))


class GatewayPod(Pod, Gateway):
    """A pod with a gateway, on ports of its own."""

    def __init__(self, podman, objects, name, *, folders, arguments=()):
        grpc_port, http_port = free_port(), free_port()
        self.address = f"127.0.0.1:{grpc_port}"
        super().__init__(
            podman, objects, "tiffin-gateway", name, folders=folders,
            arguments=[*arguments,
                       ("--grpc-address=0.0.0.0:8001", f"--grpc-address={self.address}"),
                       ("--http-address=0.0.0.0:8000", f"--http-address=127.0.0.1:{http_port}")])
