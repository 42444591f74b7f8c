"""/openapi.json: valid, and true: every path is called as it says."""

import base64
import http.client
import json

import jsonschema
import openapi_spec_validator
import pytest

import harness
from harness import ANSWER_S

SERVICE = """
service: demo
runners:
  same: {backend: testing, options: {behavior: identity, shape: [2, -1]}}
  count: {backend: testing, options: {behavior: identity, dtype: uint8, shape: []}}
  longs: {backend: testing, options: {behavior: identity, dtype: int64, shape: [3]}}
  flags: {backend: testing, options: {behavior: identity, dtype: bool, shape: [1]}}
  words: {backend: testing, options: {behavior: identity, dtype: bytes, shape: [-1]}}
  word: {backend: testing, options: {behavior: identity, dtype: bytes, shape: []}}
  halves: {backend: testing, options: {behavior: identity, dtype: fp16, shape: [1]}}
apis:
  mix:
    input: {x: "fp32[2,-1]", n: "uint8[]", i: "int64[3]", b: "bool[1]", w: "bytes[-1]", t: text,
            j: json, raw: bytes, picture: image}
    steps:
      a: same(x)
      c: count(n)
      d: longs(i)
      e: flags(b)
      f: words(w)
      g: word(t)
      k: word(j)
      l: word(raw)
      m: word(picture)
    output: {a: a, c: c, d: d, e: e, f: f, g: g, k: k, l: l, m: m}
  many:
    input: {x: "fp32[rows,2,-1]"}
    steps:
      a: same(x)
    output: {a: a}
  say:
    input: {t: text}
    steps:
      a: word(t)
    output: {a: a}
  half:
    input: {h: "fp16[1]"}
    steps:
      a: halves(h)
    output: {a: a}
"""


@pytest.fixture(scope="module")
def server():
    args = ["--http-address", "127.0.0.1:0"]
    with harness.Server(SERVICE, harness.DIGITS_SERVICE, args=args) as started:
        yield started


def ask(server, method, path, body=None, content_type=None):
    connection = http.client.HTTPConnection(server.http_address, timeout=ANSWER_S)
    connection.request(method, path, body, {"Content-Type": content_type} if content_type else {})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, response.headers.get_content_type(), text


@pytest.fixture(scope="module")
def document(server):
    status, content_type, text = ask(server, "GET", "/openapi.json")
    assert status == 200 and content_type == "application/json"
    return json.loads(text)


def check(document, schema, value):
    """`value` is what the document's schema says."""
    whole = {**schema, "components": document["components"]}
    jsonschema.validate(value, whole, cls=jsonschema.Draft202012Validator)


def example(schema):
    """A value that the schema allows."""
    if "oneOf" in schema:
        return example(schema["oneOf"][0])
    kind = schema.get("type")
    if kind == "array":
        return [example(schema["items"])] * schema.get("minItems", 1)
    if kind == "object":
        return {name: example(of) for name, of in schema["properties"].items()}
    if kind == "integer":
        return schema["maximum"]
    if schema.get("contentMediaType"):
        return (harness.IMAGES / "digit_7.png").read_bytes()
    if schema.get("contentEncoding") == "base64":
        return base64.b64encode((harness.IMAGES / "digit_7.png").read_bytes()).decode()
    return {"number": 0.5, "string": "text", "boolean": True, None: {"any": ["json"]}}[kind]


def form(media):
    """An example as multipart/form-data: the body."""
    parts = []
    for name, schema in media["schema"]["properties"].items():
        is_json = media.get("encoding", {}).get(name, {}).get("contentType") == "application/json"
        values = example(schema)
        rows = values if schema.get("type") == "array" and not is_json else [values]
        for value in rows:
            content = json.dumps(value) if is_json else value
            content = content if isinstance(content, bytes) else content.encode()
            parts.append(b"--limit\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n"
                         % (name.encode(), content))
    return b"".join(parts) + b"--limit--\r\n"


def apis(document):
    return {path: item["post"] for path, item in document["paths"].items()
            if not path.startswith("/v2") and "post" in item}


def test_it_is_openapi(document):
    openapi_spec_validator.validate(document)
    assert document["openapi"].startswith("3.1.")
    operations = [method for item in document["paths"].values() for method in item]
    assert set(operations) == {"get", "post"}


def test_every_api_is_there(document):
    assert set(apis(document)) == {"/demo/mix", "/demo/many", "/demo/say", "/demo/half",
                                   "/inference_graph_demo/predict"}


def test_every_api_takes_what_it_says(server, document):
    asked = 0
    for path, operation in apis(document).items():
        if path == "/demo/half":
            continue
        answers = operation["responses"]["200"]["content"]["application/json"]["schema"]
        content = operation["requestBody"]["content"]
        assert {"application/json", "multipart/form-data"} <= set(content)
        for content_type, media in content.items():
            if content_type == "application/json":
                body = example(media["schema"])
                check(document, media["schema"], body)
                body = json.dumps(body)
            elif content_type == "multipart/form-data":
                body, content_type = form(media), content_type + "; boundary=limit"
            elif content_type == "text/plain":
                body = "text"
            else:
                body = (harness.IMAGES / "digit_7.png").read_bytes()
                content_type = content_type.replace("*", "png")
            status, _, text = ask(server, "POST", path, body, content_type)
            assert status == 200, (path, content_type, text)
            check(document, answers, json.loads(text))
            asked += 1
    assert asked == 2 + 2 + 3 + 4


def test_what_has_no_json_form_says_so(server, document):
    schema = apis(document)["/demo/half"]["requestBody"]["content"]["application/json"]["schema"]
    with pytest.raises(jsonschema.ValidationError):
        check(document, schema, {"h": [1]})
    assert ask(server, "POST", "/demo/half", '{"h": [1]}', "application/json")[0] == 400


def test_every_other_path_answers_as_it_says(server, document):
    infer = {"inputs": [{"name": "t", "shape": [1], "datatype": "BYTES", "data": ["text"]}]}
    asked = 0
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if path in apis(document):
                continue
            real = path.replace("{model}", "demo.say").replace("{version}", "1")
            is_infer = path.endswith("/infer")
            status, content_type, text = ask(server, method.upper(), real,
                                             json.dumps(infer) if is_infer else None)
            said = operation["responses"][str(status)]["content"]
            assert content_type in said, (path, status)
            answer = json.loads(text) if content_type == "application/json" else text
            check(document, said[content_type].get("schema", {}), answer)
            expected = 501 if path.endswith("load") else 200
            assert status == expected, (path, text)
            asked += 1
    assert asked >= 3 + 17
    check(document, document["components"]["schemas"]["InferRequest"], infer)


def test_errors_are_the_schemas(server, document):
    status, content_type, text = ask(server, "POST", "/demo/say", "{}", "application/json")
    said = apis(document)["/demo/say"]["responses"][str(status)]["content"][content_type]
    check(document, said["schema"], json.loads(text))
