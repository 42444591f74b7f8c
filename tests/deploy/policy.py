"""What must hold of everything in deploy/ that becomes a pod, and where it doesn't."""

import re

DRAIN_S = 30  # test_manifests.py compares it with the gateway's.


def pod_specs(objects):
    """(name, pod spec, labels) of everything that makes pods."""
    for obj in objects:
        if obj["kind"] == "Deployment":
            template = obj["spec"]["template"]
            yield obj["metadata"]["name"], template["spec"], template["metadata"]["labels"]


def containers(spec):
    return spec.get("initContainers", []) + spec["containers"]


def is_sidecar(container):
    return container.get("restartPolicy") == "Always"


def is_worker(container):
    return any(arg.startswith("--runner=") for arg in container["args"])


def serves(spec):
    """The containers that stay: the others run to their end before."""
    return [c for c in spec.get("initContainers", []) if is_sidecar(c)] + spec["containers"]


def arguments(container):
    """Its arguments, as Kubernetes expands them."""
    values = {variable["name"]: variable["value"] for variable in container.get("env", [])}
    # A variable that there isn't stays as it is written.
    return [re.sub(r"\$\((\w+)\)", lambda found: values.get(found[1], found[0]), arg)
            for arg in container["args"]]


def violations(objects, version):
    """All that is wrong, as texts."""
    found = []
    config_maps = {obj["metadata"]["name"] for obj in objects if obj["kind"] == "ConfigMap"}
    for name, spec, labels in pod_specs(objects):
        found += [f"{name}: {wrong}" for wrong in pod_violations(spec, version)]
        found += [f"{name}: {wrong}" for wrong in _volumes(spec, config_maps)]
        found += [f"{name}: {wrong}" for wrong in _surroundings(objects, name, labels)]
        found += [f"{name}: {wrong}" for wrong in _spread(objects, spec, labels)]
    for obj in objects:
        if obj["kind"] == "ServiceAccount" and obj.get("automountServiceAccountToken") is not False:
            found.append("a ServiceAccount has a token")
        if obj["kind"] == "Deployment" and "replicas" in obj["spec"]:
            found.append(f"{obj['metadata']['name']}: replicas beside an autoscaler")
    return found


def pod_violations(spec, version):
    """What is wrong with a pod, wherever it is written."""
    if spec.get("automountServiceAccountToken") is not False:
        yield "has a token of Kubernetes"
    if any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")):
        yield "is in a namespace of the host"
    security = spec.get("securityContext", {})
    if security.get("runAsNonRoot") is not True or not security.get("runAsUser"):
        yield "may be root"
    if security.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "has no seccomp profile"
    for container in containers(spec):
        for wrong in _container(container, version):
            yield f"{container['name']}: {wrong}"
    for container in serves(spec):
        for wrong in _probes(container):
            yield f"{container['name']}: {wrong}"
    yield from _grace(spec)


def _container(container, version):
    image, _, tag = container["image"].rpartition(":")
    if not image or tag != version:
        yield f"its image is {container['image']}, not of version {version}"
    for arg in arguments(container):
        if "$(" in arg:
            yield f"its argument {arg} wants a variable that there isn't"
    security = container.get("securityContext", {})
    if security.get("readOnlyRootFilesystem") is not True:
        yield "can write to its image"
    if security.get("allowPrivilegeEscalation") is not False or security.get("privileged"):
        yield "may get privileges"
    if security.get("capabilities") != {"drop": ["ALL"]}:
        yield "has capabilities"
    if security.get("runAsUser", 1) == 0 or security.get("runAsNonRoot") is False:
        yield "may be root"
    resources = container.get("resources", {})
    for kind in ("requests", "limits"):
        if set(resources.get(kind, {})) != {"cpu", "memory"}:
            yield f"has no {kind}"
    if resources.get("requests", {}).get("memory") != resources.get("limits", {}).get("memory"):
        yield "asks for less memory than it may take"


def _probes(container):
    # A sidecar's readiness is the gateway's to tell.
    wanted = {"startupProbe", "livenessProbe"} | (
        set() if is_sidecar(container) else {"readinessProbe"})
    for probe in sorted(wanted - set(container)):
        yield f"has no {probe}"
    liveness = container.get("livenessProbe", {})
    if is_worker(container):
        command = " ".join(liveness.get("exec", {}).get("command", []))
        if liveness.get("grpc", {}).get("service") != "liveness" and (
                command.rpartition(" ")[2] != "liveness"):
            yield "its liveness is not its heartbeat's"
    elif liveness.get("httpGet", {}).get("path") != "/healthz":
        yield "its liveness depends on models"


def _grace(spec):
    before = 0
    for container in spec["containers"]:
        command = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command")
        if not command or command[0] != "sleep":
            yield f"{container['name']}: ends before others know"
        else:
            before = max(before, int(command[1]))
    grace = spec.get("terminationGracePeriodSeconds", 30)
    if grace <= before + DRAIN_S:
        yield f"is killed after {grace} s, before it has drained"


def _volumes(spec, config_maps):
    volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
    for name, volume in volumes.items():
        if "hostPath" in volume:
            yield f"volume {name} is of the host"
        if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
            yield f"volume {name} has no limit"
        if "configMap" in volume and volume["configMap"]["name"] not in config_maps:
            yield f"volume {name} is of a ConfigMap that there isn't"
    for container in containers(spec):
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes:
                yield f"{container['name']}: there is no volume {mount['name']}"
            elif not mount.get("readOnly") and "emptyDir" not in volumes[mount["name"]]:
                yield f"{container['name']}: can write to {mount['name']}"


def _selects(selector, labels):
    return bool(selector) and selector.items() <= labels.items()


def _spread(objects, spec, labels):
    """Replicas go to different hosts where they can, and are counted without those of others."""
    spreads = [spread for spread in spec.get("topologySpreadConstraints", [])
               if spread["topologyKey"] == "kubernetes.io/hostname"]
    if [spread["whenUnsatisfiable"] for spread in spreads] != ["ScheduleAnyway"]:
        yield "is not spread over hosts"
        return
    selector = spreads[0]["labelSelector"]["matchLabels"]
    counted = [others for _, _, others in pod_specs(objects) if _selects(selector, others)]
    if counted != [labels]:
        yield f"its spread counts the pods of {len(counted)} Deployments"


def _surroundings(objects, name, labels):
    """Each Deployment has what belongs to it, which is its own."""
    def count(kind, chooses):
        return sum(obj["kind"] == kind and chooses(obj["spec"]) for obj in objects)

    wanted = {
        "Service": lambda spec: _selects(spec["selector"], labels),
        "PodDisruptionBudget": lambda spec: _selects(
            spec.get("selector", {}).get("matchLabels"), labels),
        "HorizontalPodAutoscaler": lambda spec: spec["scaleTargetRef"]["name"] == name,
        "NetworkPolicy": lambda spec: _selects(spec["podSelector"].get("matchLabels"), labels),
    }
    for kind, chooses in wanted.items():
        found = count(kind, chooses)
        if found != 1:
            yield f"{found} of {kind} are about it"
    policies = [obj["spec"] for obj in objects if obj["kind"] == "NetworkPolicy"]
    for spec in policies:
        if set(spec["policyTypes"]) != {"Ingress", "Egress"}:
            yield "a NetworkPolicy leaves a direction open"
