"""The manifests of deploy/: valid by Kubernetes' schemas and by our policy, and in step with the
programs."""

import copy
import re
import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml

import harness
import kustomize
import policy
from manifests import (DEPLOY, KUBERNETES, OVERLAYS, VERSION, argument, check_against_plan,
                       check_all_against_plan, check_endpoints, gateway_files, gateway_of, kind_of,
                       load, plan, rendered, services_of)

every_overlay = pytest.mark.parametrize("overlay", sorted(OVERLAYS))


def kserve_pod():
    """What KServe makes a pod of: the runtime, with the InferenceService's part laid over it."""
    runtime = load(DEPLOY / "kserve/runtime.yaml")["spec"]
    predictor = load(DEPLOY / "kserve/inference_service.yaml")["spec"]["predictor"]
    spec = {key: value for key, value in predictor.items()
            if key not in ("minReplicas", "maxReplicas", "model")}
    spec["containers"] = runtime["containers"]
    spec["volumes"] = runtime["volumes"] + spec["volumes"]
    return spec


@every_overlay
def test_every_object_is_valid_for_kubernetes(overlay):
    objects = rendered(overlay)
    assert len(objects) >= 8
    for obj in objects:
        for version in ("1.30", "1.34"):
            kubernetes_validate.validate(obj, version, strict=True)


def test_the_schemas_find_what_is_no_field():
    objects = rendered("pod")
    gateway_of(objects)["containers"][0]["livenessProb"] = {}
    deployment = next(obj for obj in objects if obj["kind"] == "Deployment")
    with pytest.raises(kubernetes_validate.ValidationError, match="livenessProb"):
        kubernetes_validate.validate(deployment, "1.34", strict=True)


@every_overlay
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="compares with kubectl's rendering")
def test_the_renderer_does_what_kubectl_does(overlay):
    printed = subprocess.run(["kubectl", "kustomize", OVERLAYS[overlay]], text=True,
                             capture_output=True, check=True).stdout

    def named(objects):
        return {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects}

    assert named(rendered(overlay)) == named(yaml.safe_load_all(printed))


@every_overlay
def test_every_object_keeps_to_the_policy(overlay):
    assert policy.violations(rendered(overlay), VERSION) == []


def set_in(obj, path, value):
    for key in path[:-1]:
        obj = obj[key]
    if value is None:
        del obj[path[-1]]
    else:
        obj[path[-1]] = value


# What is changed, in the gateway's pod, its container or its first sidecar, and what is then said.
BREACHES = [
    ("pod", ["automountServiceAccountToken"], None, "has a token of Kubernetes"),
    ("pod", ["hostNetwork"], True, "is in a namespace of the host"),
    ("pod", ["securityContext", "runAsNonRoot"], None, "may be root"),
    ("pod", ["securityContext", "runAsUser"], 0, "may be root"),
    ("pod", ["securityContext", "seccompProfile"], None, "has no seccomp profile"),
    ("pod", ["terminationGracePeriodSeconds"], None, "is killed after 30 s"),
    ("pod", ["terminationGracePeriodSeconds"], 35, "is killed after 35 s"),
    ("pod", ["topologySpreadConstraints"], [], "is not spread over hosts"),
    ("pod", ["topologySpreadConstraints", 0, "whenUnsatisfiable"], "DoNotSchedule",
     "is not spread over hosts"),
    ("pod", ["topologySpreadConstraints", 0, "labelSelector", "matchLabels"],
     {"app.kubernetes.io/name": "another"}, "counts the pods of 0 Deployments"),
    ("pod", ["volumes", -1], {"name": "tmp", "hostPath": {"path": "/run"}}, "is of the host"),
    ("pod", ["volumes", -1], {"name": "tmp", "emptyDir": {}}, "has no limit"),
    ("pod", ["volumes", -1], {"name": "another", "emptyDir": {"sizeLimit": "1Mi"}},
     "there is no volume tmp"),
    ("pod", ["volumes", 0, "configMap", "name"], "another", "of a ConfigMap that there isn't"),
    ("container", ["image"], "tiffin-gateway:latest", "not of version"),
    ("container", ["image"], "tiffin-gateway", "not of version"),
    ("container", ["args", 0], "$(COMMAND)", "$(COMMAND) wants a variable that there isn't"),
    ("container", ["resources", "limits"], None, "has no limits"),
    ("container", ["resources", "requests", "memory"], "1Mi", "less memory than it may take"),
    ("container", ["securityContext", "readOnlyRootFilesystem"], False, "can write to its image"),
    ("container", ["securityContext", "allowPrivilegeEscalation"], None, "may get privileges"),
    ("container", ["securityContext", "privileged"], True, "may get privileges"),
    ("container", ["securityContext", "capabilities"], {"drop": ["ALL"], "add": ["NET_RAW"]},
     "has capabilities"),
    ("container", ["securityContext", "runAsUser"], 0, "may be root"),
    ("container", ["startupProbe"], None, "has no startupProbe"),
    ("container", ["readinessProbe"], None, "has no readinessProbe"),
    ("container", ["livenessProbe"], None, "has no livenessProbe"),
    ("container", ["livenessProbe"], {"grpc": {"port": 8001}}, "its liveness depends on models"),
    ("container", ["lifecycle"], None, "ends before others know"),
    ("sidecar", ["startupProbe"], None, "has no startupProbe"),
    ("sidecar", ["livenessProbe", "exec", "command", 3], None, "not its heartbeat's"),
    ("sidecar", ["volumeMounts", 0, "readOnly"], None, "can write to inference-graph-demo"),
]


@pytest.mark.parametrize("where, path, value, said", BREACHES)
def test_the_policy_finds(where, path, value, said):
    objects = rendered("pod")
    pod = gateway_of(objects)
    set_in({"pod": pod, "container": pod["containers"][0],
            "sidecar": policy.serves(pod)[0]}[where], path, value)
    assert said in "\n".join(policy.violations(objects, VERSION))


def test_the_policy_finds_a_spread_that_counts_others():
    objects = rendered("fleet")
    _, spec, _ = next(found for found in policy.pod_specs(objects)
                      if found[0].startswith("tiffin-worker-"))
    del spec["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]["tiffin/runner"]
    assert "its spread counts the pods of 5 Deployments" in "\n".join(
        policy.violations(objects, VERSION))


@pytest.mark.parametrize("kind, path, value, said", [
    ("ServiceAccount", ["automountServiceAccountToken"], None, "a ServiceAccount has a token"),
    ("Deployment", ["spec", "replicas"], 3, "replicas beside an autoscaler"),
    ("Service", ["spec", "selector"], {}, "0 of Service are about it"),
    ("PodDisruptionBudget", ["spec", "selector"], None, "0 of PodDisruptionBudget are about it"),
    ("HorizontalPodAutoscaler", ["spec", "scaleTargetRef", "name"], "another",
     "0 of HorizontalPodAutoscaler are about it"),
    ("NetworkPolicy", ["spec", "policyTypes"], ["Ingress"], "leaves a direction open"),
    ("NetworkPolicy", ["spec", "podSelector"], {}, "0 of NetworkPolicy are about it"),
])
def test_the_policy_finds_around_the_pod(kind, path, value, said):
    objects = rendered("pod")
    set_in(next(obj for obj in objects if obj["kind"] == kind), path, value)
    assert said in "\n".join(policy.violations(objects, VERSION))


def test_the_grace_is_that_of_the_drain():
    text = (harness.ROOT / "gateway/server/server.cc").read_text()
    drain = re.search(r"kDrainGrace = absl::Seconds\((\d+)\)", text)
    assert int(drain.group(1)) == policy.DRAIN_S


@every_overlay
def test_gateways_look_for_workers_where_they_listen(overlay):
    check_endpoints(rendered(overlay), kind_of(overlay))


@every_overlay
def test_the_gateway_has_the_files_that_its_workers_have(overlay):
    files, _ = services_of(overlay)
    assert gateway_files(rendered(overlay)) == [file.read_text() for file in files]


@every_overlay
def test_the_gateways_command_line_has_no_mistake(overlay):
    pattern = argument(gateway_of(rendered(overlay))["containers"][0], "--endpoints")
    files, _ = services_of(overlay)
    checked = harness.run(harness.TIFFIN, "check", *files, "--endpoints", pattern)
    # 2 would be a mistake; 1 is that there are no workers here to ask.
    assert checked.returncode == 1 and "is not checked" in checked.stderr, checked.stderr


@every_overlay
def test_the_programs_know_their_arguments(overlay):
    known = set(re.findall(r"^\| `(--[a-z-]+)`", (
        DEPLOY / "reference/configuration.md").read_text(), flags=re.M))
    for _, spec, _ in policy.pod_specs(rendered(overlay)):
        for container in policy.containers(spec):
            flags = {arg.partition("=")[0] for arg in container["args"] if arg.startswith("--")}
            assert flags <= known, container["name"]


@every_overlay
def test_resources_are_those_that_check_plans(overlay):
    check_all_against_plan(rendered(overlay), plan(*services_of(overlay)))


def test_resources_of_another_plan_are_found():
    planned = plan(*services_of("own_pod"))
    container = copy.deepcopy(gateway_of(rendered("own_pod"))["containers"][0])
    check_against_plan(container, planned["gateway"])
    container["resources"]["limits"]["cpu"] = "3"
    with pytest.raises(AssertionError):
        check_against_plan(container, planned["gateway"])


def test_kserves_pod_is_a_pod_by_the_policy():
    spec = kserve_pod()
    kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tiffin"},
                                  "spec": spec}, "1.34", strict=True)
    assert list(policy.pod_violations(spec, VERSION)) == []
    container = spec["containers"][0]
    assert container["name"] == "kserve-container"
    assert [port["name"] for port in container["ports"]] == ["h2c"]


def test_kserves_pod_is_the_pod_overlays():
    pod, theirs = gateway_of(rendered("pod")), kserve_pod()
    assert theirs["initContainers"] == pod["initContainers"]
    ours = pod["containers"][0]
    for key in ("image", "resources", "securityContext"):
        assert theirs["containers"][0][key] == ours[key], key
    assert policy.arguments(theirs["containers"][0]) == policy.arguments(ours)


def test_kserves_objects_refer_to_each_other():
    runtime, service = load(DEPLOY / "kserve/runtime.yaml"), load(
        DEPLOY / "kserve/inference_service.yaml")
    model = service["spec"]["predictor"]["model"]
    assert model["runtime"] == runtime["metadata"]["name"]
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]
    assert model["modelFormat"]["name"] in [
        form["name"] for form in runtime["spec"]["supportedModelFormats"]]


def test_what_the_readme_applies_is_there():
    text = (harness.ROOT / "README.md").read_text() + (DEPLOY / "README.md").read_text()
    applied = set(re.findall(r"kubectl apply -k (\S+?)[\s`]", text))
    mine = "deploy/kubernetes/overlays/mine"  # What the reader makes: see test_own.py.
    assert applied == {mine, "deploy/kserve", *(
        str(OVERLAYS[name].relative_to(harness.ROOT)) for name in ("pod", "fleet"))}
    for folder in applied - {mine}:
        assert (harness.ROOT / folder / "kustomization.yaml").is_file()
    for file in re.findall(r"docker compose -f (\S+)", text):
        assert (harness.ROOT / file).is_file()


def test_compose_runs_what_the_pod_does():
    compose = load(DEPLOY / "docker/compose.yaml")["services"]
    pod = gateway_of(rendered("pod"))
    by_name = {container["name"]: container for container in policy.serves(pod)}
    assert set(compose) == set(by_name)
    for name, container in by_name.items():
        service = compose[name]
        assert service["image"] == container["image"]
        logs = "--log-format=json"
        assert service["command"] == [arg for arg in policy.arguments(container) if arg != logs]
        limits = container["resources"]["limits"]
        assert str(service["cpus"]) == limits["cpu"]
        assert service["mem_limit"].upper() + "i" == limits["memory"]
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["user"] == "65532:65532" and service["healthcheck"]["test"][0] == "CMD"
