"""The configuration reference and the JSON schema of service files: they are what the programs
print, and the schema says of a file what `tiffin check` says, as far as a schema can."""

import copy
import json
import re

import jsonschema
import pytest
import yaml

import harness

REFERENCE = harness.ROOT / "deploy/reference"
EXAMPLES = sorted((harness.ROOT / "deploy/examples").glob("*/service.yaml"))


class Yaml12(yaml.SafeLoader):
    """Scalars as YAML 1.2 and editors read them: `on` and `off` are words."""


Yaml12.yaml_implicit_resolvers = {}
for tag, form in (("bool", "true|True|TRUE|false|False|FALSE"), ("null", "null|Null|NULL|~|"),
                  ("int", "[-+]?[0-9]+"),
                  ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")):
    Yaml12.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{form})$"), None)


def printed(*args):
    made = harness.run(harness.TIFFIN, "reference", *args)
    assert made.returncode == 0, made.stderr
    return made.stdout


@pytest.fixture(scope="module")
def schema():
    return json.loads(printed("--schema"))


def errors_of(schema, text):
    validator = jsonschema.Draft7Validator(schema)
    return [error.message for error in validator.iter_errors(yaml.load(text, Loader=Yaml12))]


def check(folder, text):
    file = folder / "service.yaml"
    file.write_text(text)
    return harness.run(harness.TIFFIN, "check", file, "--store", harness.MODELS)


@pytest.mark.parametrize("name, args", [
    ("configuration.md", []), ("service.schema.json", ["--schema"])])
def test_the_file_is_what_the_program_prints(name, args):
    assert (REFERENCE / name).read_text() == printed(*args), (
        f"run: {' '.join(['tiffin', 'reference', *args])} >deploy/reference/{name}")


def test_the_reference_is_the_same_on_every_machine():
    elsewhere = {"HOME": "/elsewhere", "TIFFIN_STORE": "/x", "XDG_RUNTIME_DIR": "/y",
                 "TIFFIN_ADDRESS": "z:1", "TMPDIR": "/tmp"}
    made = harness.run(harness.TIFFIN, "reference", env=elsewhere)
    assert made.stdout == printed()


def test_all_workers_have_the_flags_that_the_reference_has():
    flags = {}
    for program in harness.BIN.glob("tiffin-worker-*"):
        flags[program.name] = json.loads(harness.run(program, "--reference").stdout)["flags"]
    assert len(flags) >= 4
    assert all(rows == flags["tiffin-worker-image"] for rows in flags.values())


def test_the_schema_is_one(schema):
    jsonschema.Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.parent.name)
def test_an_example_fits_and_names_its_schema(file, schema):
    text = file.read_text()
    assert errors_of(schema, text) == []
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert (file.parent / named[1]).resolve() == (REFERENCE / "service.schema.json").resolve()


GOOD = """
service: good
runners:
  same: {backend: testing, options: {behavior: identity, shape: [-1], journal: /dev/null},
         replicas: 2, queue: {max: 0}, resources: {cpu: 0.5, threads: 1}, device: cpu,
         batching: {max_batch_size: 1, max_delay: .5ms, policy: fixed}}
  alone: {backend: testing, options: {behavior: identity}, batching: off}
  picture: {backend: image, options: {size: [8, 8], scale: 1, color: gray, layout: flat}}
  reader: {backend: ocr, options: {languages: [eng], upscale: on, deskew: off, time_limit: 2s}}
apis:
  go:
    input: {x: "fp32[-1]", photo: image, note: text}
    steps:
      a: same(x)
      b: {run: "alone.run(a.OUTPUT0)", timeout: 1.5s, retries: 1}
      c: picture(image=photo)
      d: reader(photo)
    output: {b: b, c: c, d: d.text, note: note}
    timeout: 1m
    monitor: {file: 7, values: [x, a.OUTPUT0], sample: 0.5, payloads: true,
              rotate: {size: 64MiB, keep: 0}}
  rows:
    input: {y: "fp32[rows,-1]", words: "text[rows]"}
    output: {y: y, words: words}
"""


def test_a_good_file_is_good_to_both(folder, schema):
    assert errors_of(schema, GOOD) == []
    checked = check(folder, GOOD)
    assert checked.returncode == 0, checked.stderr


# What stands in GOOD, and what is wrong in its place: for both.
BAD = [
    # Keys that are unknown, missing, or one too many.
    ("service: good", ""), ("service: good", "service: good\nport: 1"),
    ("queue: {max: 0}", "queue: {min: 0}"), ("backend: ocr, ", ""),
    ("backend: ocr", "backend: ocr, model: \"digits_torch:latest\""),
    ("run: \"alone.run(a.OUTPUT0)\", ", ""), ("file: 7, ", ""), (", values: [x, a.OUTPUT0]", ""),
    ("    output: {b: b, c: c, d: d.text, note: note}\n", ""), ("rotate: {size", "rotate: {bytes"),
    ("threads: 1", "memory: 1"), ("languages: [eng]", "language: eng"), ("scale: 1", "factor: 1"),
    ("behavior: identity, shape", "behaviour: identity, shape"),
    # Names.
    ("service: good", "service: Good"), ("service: good", "service: true"), ("  same:", "  Same:"),
    ("  go:", "  go-on:"), ("backend: testing", "backend: Testing"), ("x: \"fp32", "1x: \"fp32"),
    # Other things than what is wanted.
    ("service: good", "service: [good]"), ("queue: {max: 0}", "queue: 3"),
    ("replicas: 2", "replicas: \"2\""), ("replicas: 2", "replicas: two"),
    ("replicas: 2", "replicas: 1.5"), ("cpu: 0.5", "cpu: half"), ("device: cpu", "device: gpu"),
    ("device: cpu", "device: \"cuda:01\""), ("batching: off", "batching: on"),
    ("policy: fixed", "policy: off"), ("max_delay: .5ms", "max_delay: 2"),
    ("max_delay: .5ms", "max_delay: 2 ms"), ("timeout: 1m", "timeout: -1s"),
    ("timeout: 1m", "timeout:"), ("payloads: true", "payloads: 1"), ("size: 64MiB", "size: 64MB"),
    ("values: [x, a.OUTPUT0]", "values: x"), ("values: [x, a.OUTPUT0]", "values: []"),
    ("values: [x, a.OUTPUT0]", "values: [x, x]"), ("file: 7", "file: a/b"),
    ("file: 7", "file: .hidden"), ("fp32[rows,-1]", "fp33[rows,-1]"), ("fp32[rows,-1]", "fp32"),
    ("fp32[rows,-1]", "fp32[2,rows]"), ("note: text", "note: \"text[3]\""),
    ("a: same(x)", "a: same"),
    ("a: same(x)", "a: [same, x]"), ("note: note}", "note: 3}"), ("d: d.text", "d: \"d.text()\""),
    # Options of backends.
    ("size: [8, 8]", "size: 8"), ("size: [8, 8]", "size: [8, 8, 8]"), ("scale: 1", "scale: one"),
    ("color: gray", "color: grey"), ("upscale: on", "upscale: yes"), ("deskew: off", "deskew: on"),
    ("languages: [eng]", "languages: eng"), ("languages: [eng]", "languages: [eng, eng]"),
    ("languages: [eng]", "languages: []"), ("time_limit: 2s", "time_limit: 2"),
    ("shape: [-1]", "shape: [-2]"),
    ("{size: [8, 8], scale: 1, color: gray, layout: flat}", "8"),
]


def names_of(changes):
    return [f"{number} {bad.strip()}" for number, (_, bad) in enumerate(changes)]


@pytest.mark.parametrize("good, bad", BAD, ids=names_of(BAD))
def test_a_bad_file_is_bad_to_both(good, bad, folder, schema):
    assert good in GOOD
    text = GOOD.replace(good, bad, 1)
    assert errors_of(schema, text) != []
    checked = check(folder, text)
    assert checked.returncode == 2, checked.stdout
    assert str(folder / "service.yaml") in checked.stderr


# What configuration.md says that the schema does not see.
UNSEEN = [
    ("a: same(x)", "a: some(x)"), ("a: same(x)", "a: same(y)"), ("a: same(x)", "a: same(x, x)"),
    ("a: same(x)", "a: same(x))"), ("a: same(x)", "a: same(b)"), ("a: same(x)", "a: same(photo)"),
    ("backend: image", "backend: camera"), ("service: good", "service: good\nservice: better"),
    ("    output: {b: b, ", "    output: {"), ("      a: same(x)", "      x: same(x)"),
    ("timeout: 1m", "timeout: 25h"), ("timeout: 1m", "timeout: 0s"), ("size: 64MiB", "size: 1KiB"),
    ("replicas: 2", "replicas: 2.0"), ("device: cpu", "device: \"cuda:999\""),
    ("behavior: identity, shape", "behavior: barrier, shape"),
]


@pytest.mark.parametrize("good, bad", UNSEEN, ids=names_of(UNSEEN))
def test_what_only_the_checker_sees(good, bad, folder, schema):
    assert good in GOOD
    text = GOOD.replace(good, bad, 1)
    assert errors_of(schema, text) == []
    assert check(folder, text).returncode == 2


def bounds_in(schema, path=()):
    """(path, bound, whether it is allowed) of every number in a schema of mappings."""
    for key, value in schema.get("properties", {}).items():
        yield from bounds_in(value, (*path, key))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from bounds_in(schema["additionalProperties"], (*path, "NAME"))
    step = 1 if schema.get("type") == "integer" else 1e-6
    for bound, beyond in (("minimum", -step), ("maximum", step)):
        if bound in schema:
            yield path, schema[bound], True
            yield path, schema[bound] + beyond, False
    if "exclusiveMinimum" in schema:
        yield path, schema["exclusiveMinimum"], False


SAME_NAMES = {"runners": "same", "apis": "go", "steps": "b"}
BOUNDS = list(bounds_in(json.loads((REFERENCE / "service.schema.json").read_text())))


def with_value(path, value):
    """GOOD with another value at a path of the schema."""
    service = yaml.load(GOOD, Loader=Yaml12)
    at = service
    for key, parent in zip(path[:-1], (None, *path)):
        at = at[SAME_NAMES[parent] if key == "NAME" else key]
    assert path[-1] in at
    at[path[-1]] = value
    return service


def test_every_number_of_the_schema_has_its_bounds_tried():
    assert len({path for path, _, _ in BOUNDS}) >= 8


@pytest.mark.parametrize("path, value, good", BOUNDS, ids=[
    f"{'.'.join(path)}={value}" for path, value, _ in BOUNDS])
def test_the_bounds_are_those_of_the_checker(path, value, good, folder, schema):
    service = with_value(path, value)
    assert not list(jsonschema.Draft7Validator(schema).iter_errors(service)) == good
    checked = check(folder, json.dumps(service))
    assert checked.returncode == (0 if good else 2), checked.stderr
    assert good or f"'{path[-1]}' must be" in checked.stderr


def test_every_key_has_a_meaning(schema):
    def visit(node, path):
        for key, value in node.get("properties", {}).items():
            assert value["description"].endswith("."), (*path, key)
            visit(value, (*path, key))
        if isinstance(node.get("additionalProperties"), dict):
            visit(node["additionalProperties"], path)
        for rule in node.get("allOf", []):
            visit(rule["then"]["properties"]["options"], path)
    visit(copy.deepcopy(schema), ())


def test_the_environment_is_read_in_one_place():
    """So that the reference's table of variables is whole."""
    readers = []
    for part in ("common", "gateway", "worker"):
        for source in sorted((harness.ROOT / part).rglob("*.[ch]*")):
            if re.search(r"getenv\s*\(|envname\s*\(\s*\"", source.read_text()):
                readers.append(source.relative_to(harness.ROOT).as_posix())
    assert readers == ["common/environment.cc"]
