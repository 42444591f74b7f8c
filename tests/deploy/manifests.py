"""What there is in deploy/kubernetes, and how to find one's way in what is rendered of it."""

import functools
import pathlib
import re

import yaml

import harness
import kustomize
import policy

DEPLOY = harness.ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
# Those of the examples, and of a service of one's own.
OVERLAYS = {name: KUBERNETES / "overlays" / name
            for name in ("pod", "fleet", "own_pod", "own_fleet")}
VERSION = re.search(r'kVersion\[\] = "([^"]+)"',
                    (harness.ROOT / "common/version.h").read_text()).group(1)
EXAMPLES = (harness.DIGITS_SERVICE, harness.SENTIMENT_SERVICE)
MEMORY_STEP_MI = 64


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rendered(overlay):
    return kustomize.render(OVERLAYS[overlay])


def kind_of(overlay):
    return overlay.removeprefix("own_")


def services_of(overlay):
    """The service files that its workers read, and of how many cores their resources are made."""
    if overlay.startswith("own_"):
        return (OVERLAYS[overlay] / "service.yaml",), 2
    return EXAMPLES, 3


def gateway_of(objects):
    return next(spec for name, spec, _ in policy.pod_specs(objects) if name == "tiffin-gateway")


def file_in(objects, spec, container, path):
    """The text of a file that a container of the pod has by a ConfigMap."""
    path = pathlib.PurePath(path)
    texts = {obj["metadata"]["name"]: obj["data"] for obj in objects if obj["kind"] == "ConfigMap"}
    volume = next(mount["name"] for mount in container["volumeMounts"]
                  if mount["mountPath"] == str(path.parent))
    name = next(found["configMap"]["name"] for found in spec["volumes"] if found["name"] == volume)
    return texts[name][path.name]


def gateway_files(objects):
    """The texts of the service files that the gateway is given."""
    spec = gateway_of(objects)
    container = spec["containers"][0]
    return [file_in(objects, spec, container, arg) for arg in container["args"]
            if arg.startswith("/")]


def workers_of(objects):
    """Runner, as "service.runner", -> its container, and the name of what it is deployed by."""
    found = {}
    for name, spec, _ in policy.pod_specs(objects):
        for container in policy.serves(spec):
            if policy.is_worker(container):
                text = file_in(objects, spec, container, argument(container, "--service"))
                service = yaml.safe_load(text)
                runner = argument(container, "--runner")
                assert runner in service["runners"], container["name"]
                found[f"{service['service']}.{runner}"] = (container, name)
    return found


def argument(container, name):
    found = [text.partition("=")[2] for text in policy.arguments(container)
             if text.startswith(f"{name}=")]
    assert len(found) == 1, f"{container['name']} has {name} {len(found)} times"
    return found[0]


def container_name(runner):
    """Of "service.runner", or a part of it, as `tiffin check --kubernetes` has it."""
    return runner.replace("_", "-").replace(".", "-")


@functools.cache
def plan(files, cpus, *flags):
    """What `tiffin check --kubernetes` says of each container, by name."""
    ended = harness.run(harness.TIFFIN, "check", *files, "--store", harness.MODELS, "--cpus", cpus,
                        "--kubernetes", *flags)
    assert ended.returncode == 0, ended.stderr
    return {container["name"]: container for container in yaml.safe_load(ended.stdout)}


def mebibytes(text):
    return int(text.removesuffix("Mi"))


def check_against_plan(container, wanted):
    """Cores and arguments as they are planned. Memory within a step: what loading takes is measured
    anew each time, and on each machine."""
    resources, written = wanted["resources"], container["resources"]
    for kind in ("requests", "limits"):
        assert written[kind]["cpu"] == resources[kind]["cpu"], container["name"]
        difference = mebibytes(written[kind]["memory"]) - mebibytes(resources[kind]["memory"])
        assert abs(difference) <= MEMORY_STEP_MI, container["name"]
    for flag, value in zip(wanted["args"][::2], wanted["args"][1::2]):
        assert argument(container, flag) == value


def check_all_against_plan(objects, planned):
    """That these are the containers that were planned, with what each needs."""
    check_against_plan(gateway_of(objects)["containers"][0], planned["gateway"])
    workers = {container_name(name): found for name, found in workers_of(objects).items()}
    assert set(workers) == set(planned) - {"gateway"}
    for name, (container, deployed_by) in workers.items():
        assert name in (container["name"], deployed_by.removeprefix("tiffin-worker-"))
        check_against_plan(container, planned[name])


def check_endpoints(objects, kind):
    """Gateways look for workers where they listen, for all of them, and for no others."""
    workers = workers_of(objects)
    services = {obj["metadata"]["name"]: obj for obj in objects if obj["kind"] == "Service"}
    pattern = argument(gateway_of(objects)["containers"][0], "--endpoints")
    names = set()
    for service in map(yaml.safe_load, gateway_files(objects)):
        for runner in service["runners"]:
            name = f"{service['service']}.{runner}"
            names.add(name)
            container, deployed_by = workers[name]
            address = pattern.format(service=container_name(service["service"]),
                                     runner=container_name(runner))
            listens = argument(container, "--listen")
            if kind == "pod":
                assert address == listens
                continue
            port = listens.rpartition(":")[2]
            # Without a namespace: it is the gateway's.
            assert address == f"dns:///{deployed_by}:{port}"
            assert services[deployed_by]["spec"]["clusterIP"] == "None"
            assert str(services[deployed_by]["spec"]["ports"][0]["port"]) == port
            assert str(container["ports"][0]["containerPort"]) == port
    assert names == set(workers)
