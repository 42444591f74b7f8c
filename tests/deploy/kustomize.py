"""Renders the kustomizations of deploy/, as far as they use kustomize: resources, components,
patches (strategic merges, which may delete items of lists, and JSON patches), generated ConfigMaps
with their hashes, a suffix of names, a namespace, labels, images. What it doesn't know is an error.
test_manifests.py compares it with kubectl where there is one."""

import copy
import hashlib
import json
import pathlib

import yaml

_KNOWN = {"apiVersion", "kind", "resources", "components", "configMapGenerator", "patches",
          "namespace", "nameSuffix", "labels", "images"}
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


def _render(folder, objects=()):
    """The objects, each with the name that others refer to it by: these and the folder's own."""
    recipe = yaml.safe_load(_read(folder / "kustomization.yaml"))
    if unknown := set(recipe) - _KNOWN:
        raise Unknown(f"{folder}: {', '.join(sorted(unknown))}")
    objects = list(objects)
    for resource in recipe.get("resources", []):
        path = folder / resource
        if path.is_dir():
            objects += _render(path)
        else:
            objects += [(obj, obj["metadata"]["name"]) for obj in _load(_read(path))]
    for component in recipe.get("components", []):
        objects = _render(folder / component, objects)
    objects += [_config_map(folder, **entry) for entry in recipe.get("configMapGenerator", [])]
    for patch in recipe.get("patches", []):
        _patch(folder, objects, patch)
    if namespace := recipe.get("namespace"):
        for obj, _ in objects:
            obj["metadata"]["namespace"] = namespace
    if suffix := recipe.get("nameSuffix"):
        objects = _suffix(objects, suffix)
    for labels in recipe.get("labels", []):
        _label(objects, labels)
    for image in recipe.get("images", []):
        _rename_image(objects, **image)
    return objects


def _read(path):
    return path.read_text(encoding="utf-8")


def _load(text):
    # By way of JSON, so that what anchors share becomes a copy of each one's own.
    return [json.loads(json.dumps(obj)) for obj in yaml.safe_load_all(text) if obj]


def _config_map(folder, name, files):
    data = {}
    for entry in files:
        key, _, path = entry.rpartition("=")
        data[key or pathlib.Path(path).name] = _read(folder / path)
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
    if unknown := set(patch) - {"path", "patch", "target"}:
        raise Unknown(f"{folder}: in a patch {', '.join(sorted(unknown))}")
    text = patch["patch"] if "patch" in patch else _read(folder / patch["path"])
    for content in _load(text):
        json_patch = isinstance(content, list)
        target = patch["target"] if json_patch else {"kind": content["kind"],
                                                     "name": content["metadata"]["name"]}
        found = [obj for obj, name in objects if _is_target(obj, name, target)]
        if not found or ("name" in target and len(found) > 1):
            raise Unknown(f"{folder}: {len(found)} objects are the target {target}")
        for obj in found:
            if json_patch:
                _json_patch(obj, content)
            else:
                merged = _merge(obj, content)
                obj.clear()
                obj.update(merged)


def _is_target(obj, name, target):
    if unknown := set(target) - {"kind", "name", "labelSelector"}:
        raise Unknown(f"in a target {', '.join(sorted(unknown))}")
    label, _, value = target.get("labelSelector", "").partition("=")
    labels = obj["metadata"].get("labels", {})
    return obj["kind"] == target["kind"] and target.get("name", name) == name and (
        not label or labels.get(label) == value)


def _json_patch(obj, operations):
    for operation in operations:
        *parents, last = operation["path"].strip("/").split("/")
        at = obj
        for key in parents:
            at = at[int(key)] if isinstance(at, list) else at[key]
        adds = operation["op"] == "add"
        if not adds and (operation["op"] != "replace" or (isinstance(at, dict) and last not in at)):
            raise Unknown(f"{operation['op']} {operation['path']}")
        if isinstance(at, dict):
            at[last] = operation["value"]
        elif adds:
            at.insert(len(at) if last == "-" else int(last), operation["value"])
        else:
            at[int(last)] = operation["value"]


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
        merged = []
        for item in patch:
            if item.get("$patch") == "delete":
                del old[item[by]]
            else:
                merged.append(_merge(old.pop(item[by], {}), item))
        return merged + list(old.values())  # The patch's items come first.
    return patch


def _label(objects, labels):
    in_selectors = labels.get("includeSelectors")
    if set(labels) - {"pairs"} != {"includeSelectors" if in_selectors else "includeTemplates"}:
        raise Unknown("labels that are neither in selectors nor in templates")
    pairs = labels["pairs"]
    for obj, _ in objects:
        _add_labels(obj["metadata"], "labels", pairs)
        if obj["kind"] == "Deployment":
            _add_labels(obj["spec"]["template"]["metadata"], "labels", pairs)
        if in_selectors:
            _add_to_selectors(obj, pairs)


def _add_labels(parent, key, pairs):
    parent[key] = {**parent.get(key, {}), **pairs}


def _add_to_selectors(obj, pairs):
    spec = obj["spec"]
    if obj["kind"] == "Service":
        _add_labels(spec, "selector", pairs)
    elif obj["kind"] in ("Deployment", "PodDisruptionBudget"):
        _add_labels(spec["selector"], "matchLabels", pairs)
    elif obj["kind"] != "HorizontalPodAutoscaler":
        raise Unknown(f"labels in the selectors of {obj['kind']}")
    if obj["kind"] == "Deployment":
        for spread in spec["template"]["spec"].get("topologySpreadConstraints", []):
            _add_labels(spread["labelSelector"], "matchLabels", pairs)


def _rename_image(objects, name, **new):
    if unknown := set(new) - {"newName", "newTag"}:
        raise Unknown(f"in images {', '.join(sorted(unknown))}")
    for obj, _ in objects:
        if obj["kind"] != "Deployment":
            continue
        spec = obj["spec"]["template"]["spec"]
        for container in spec.get("initContainers", []) + spec["containers"]:
            found, _, tag = container["image"].rpartition(":")
            if found == name:
                container["image"] = f"{new.get('newName', name)}:{new.get('newTag', tag)}"


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
