"""Renders the kustomizations of deploy/, as far as they use kustomize: resources, patches
(strategic merges, and JSON patches that add), generated ConfigMaps with their hashes, a suffix of
names, labels in selectors. What it doesn't know is an error. test_manifests.py compares it with
kubectl where there is one."""

import copy
import hashlib
import json
import pathlib

import yaml

_KNOWN = {"apiVersion", "kind", "resources", "configMapGenerator", "patches", "nameSuffix",
          "labels"}
# Lists that a strategic merge takes for mappings, by what their items are told apart by.
_MERGE_KEYS = {"containers": "name", "initContainers": "name", "volumes": "name",
               "volumeMounts": "mountPath", "env": "name"}


class Unknown(Exception):
    """Something that this renderer doesn't do."""


def render(folder):
    """The objects that `kubectl kustomize FOLDER` prints, in no order that matters."""
    objects = _render(pathlib.Path(folder))
    _refer_to_generated(objects)
    return [obj for obj, _ in objects]


def _render(folder):
    """The objects, each with the name that others refer to it by."""
    text = (folder / "kustomization.yaml").read_text(encoding="utf-8")
    recipe = yaml.safe_load(text)
    if unknown := set(recipe) - _KNOWN:
        raise Unknown(f"{folder}: {', '.join(sorted(unknown))}")
    objects = []
    for resource in recipe.get("resources", []):
        path = folder / resource
        if path.is_dir():
            objects += _render(path)
        else:
            objects += [(obj, obj["metadata"]["name"]) for obj in _load(path)]
    objects += [_config_map(folder, **entry) for entry in recipe.get("configMapGenerator", [])]
    for patch in recipe.get("patches", []):
        _patch(folder, objects, patch)
    for labels in recipe.get("labels", []):
        _label(objects, labels)
    if suffix := recipe.get("nameSuffix"):
        objects = _suffix(objects, suffix)
    return objects


def _load(path):
    return [obj for obj in yaml.safe_load_all(path.read_text(encoding="utf-8")) if obj]


def _config_map(folder, name, files):
    data = {}
    for entry in files:
        key, _, path = entry.rpartition("=")
        data[key or pathlib.Path(path).name] = (folder / path).read_text(encoding="utf-8")
    # What kustomize hashes has no name.
    content = json.dumps({"data": data, "kind": "ConfigMap", "name": ""}, sort_keys=True,
                         separators=(",", ":"), ensure_ascii=False)
    for character in "<>&":  # As Go writes JSON.
        content = content.replace(character, f"\\u{ord(character):04x}")
    digest = hashlib.sha256(content.encode()).hexdigest()[:10]
    suffix = digest.translate(str.maketrans("013ae", "ghkmt"))
    return ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-{suffix}"},
             "data": data}, name)


def _patch(folder, objects, patch):
    if unknown := set(patch) - {"path", "target"}:
        raise Unknown(f"{folder}: in a patch {', '.join(sorted(unknown))}")
    for content in _load(folder / patch["path"]):
        json_patch = isinstance(content, list)
        target = patch["target"] if json_patch else {"kind": content["kind"],
                                                     "name": content["metadata"]["name"]}
        found = [obj for obj, name in objects
                 if (obj["kind"], name) == (target["kind"], target["name"])]
        if len(found) != 1:
            raise Unknown(f"{folder}/{patch['path']}: {len(found)} objects are its target")
        if json_patch:
            _json_patch(found[0], content)
        else:
            merged = _merge(found[0], content)
            found[0].clear()
            found[0].update(merged)


def _json_patch(obj, operations):
    for operation in operations:
        *parents, last = operation["path"].strip("/").split("/")
        if operation["op"] != "add" or last != "-":
            raise Unknown(f"{operation['op']} {operation['path']}")
        at = obj
        for key in parents:
            at = at[int(key)] if isinstance(at, list) else at[key]
        at.append(operation["value"])


def _merge(base, patch, key=None):
    if isinstance(base, dict) and isinstance(patch, dict):
        if "$patch" in patch or None in patch.values():
            raise Unknown(f"a patch that deletes, in {key}")
        merged = dict(base)
        for name, value in patch.items():
            merged[name] = _merge(base[name], value, name) if name in base else value
        return merged
    if isinstance(base, list) and isinstance(patch, list) and key in _MERGE_KEYS:
        by = _MERGE_KEYS[key]
        old = {item[by]: item for item in base}
        # The patch's items come first.
        merged = [_merge(old.pop(item[by], {}), item) for item in patch]
        return merged + list(old.values())
    return patch


def _label(objects, labels):
    if not labels.get("includeSelectors") or set(labels) != {"pairs", "includeSelectors"}:
        raise Unknown("labels without selectors")
    pairs = labels["pairs"]
    for obj, _ in objects:
        metadata, spec = obj["metadata"], obj.get("spec", {})
        metadata["labels"] = {**metadata.get("labels", {}), **pairs}
        if obj["kind"] == "Service":
            spec["selector"] = {**spec.get("selector", {}), **pairs}
        elif obj["kind"] == "Deployment":
            selector = spec.setdefault("selector", {})
            selector["matchLabels"] = {**selector.get("matchLabels", {}), **pairs}
            template = spec["template"].setdefault("metadata", {})
            template["labels"] = {**template.get("labels", {}), **pairs}
        elif obj["kind"] == "PodDisruptionBudget":
            # kustomize makes no selector where there is none.
            if "matchLabels" in spec.get("selector", {}):
                spec["selector"]["matchLabels"].update(pairs)
        elif obj["kind"] != "HorizontalPodAutoscaler":
            raise Unknown(f"labels in the selectors of {obj['kind']}")


def _suffix(objects, suffix):
    names = {(obj["kind"], obj["metadata"]["name"]) for obj, _ in objects}
    suffixed = []
    for obj, _ in objects:
        obj["metadata"]["name"] += suffix
        if obj["kind"] == "HorizontalPodAutoscaler":
            target = obj["spec"]["scaleTargetRef"]
            if (target["kind"], target["name"]) in names:
                target["name"] += suffix
        suffixed.append((obj, obj["metadata"]["name"]))
    return suffixed


def _refer_to_generated(objects):
    """Volumes name ConfigMaps by the names that they had before their hashes."""
    generated = {name: obj["metadata"]["name"] for obj, name in objects
                 if obj["kind"] == "ConfigMap"}
    for obj, _ in objects:
        if obj["kind"] == "Deployment":
            for volume in obj["spec"]["template"]["spec"].get("volumes", []):
                if "configMap" in volume:
                    volume["configMap"] = copy.copy(volume["configMap"])
                    name = volume["configMap"]["name"]
                    volume["configMap"]["name"] = generated.get(name, name)
