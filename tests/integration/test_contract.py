"""A service.proto kept beside the service file: what it keeps, and what breaks with it."""

import os
import re

import pytest

import harness

SERVICE = """service: demo
runners:
  word: {backend: testing, options: {behavior: identity, dtype: bytes, shape: []}}
  last: {backend: testing, options: {behavior: identity, dtype: bytes, shape: []}}
apis:
  say:
    input: {first: text, second: bytes}
    steps:
      a: word(first)
      b: last(second)
    output: {one: a, two: b}
"""
MORE = """  tell:
    input: {word: text}
    steps:
      a: word(word)
    output: {said: a}
"""
ADDED = SERVICE.replace("{first: text, second: bytes}",
                        "{zeroth: json, second: bytes, first: text}").replace(
    "      b:", "      c: word(zeroth)\n      b:").replace("{one: a, two: b}",
                                                         "{three: c, two: b, one: a}")


def check(folder, text, *args):
    file = folder / "service.yaml"
    file.write_text(text)
    return harness.run(harness.TIFFIN, "check", file, "--store", harness.MODELS, *args)


def write_protos(folder, text, name="protos"):
    checked = check(folder, text, "--proto", folder / name)
    assert checked.returncode == 0, checked.stderr
    return (folder / name / "tiffin/services/demo/service.proto").read_text()


def fields(proto):
    """Name -> number of the fields of the messages of `say`."""
    messages = re.findall(r"message (Say\w+) {(.*?)\n}", proto, re.DOTALL)
    return {f"{message}.{name}": int(number) for message, body in messages
            for name, number in re.findall(r"(\w+) = (\d+)", body)}


@pytest.fixture
def contract(folder):
    """The contract of SERVICE, in its place."""
    file = folder / "service.proto"
    file.write_text(write_protos(folder, SERVICE, "old"))
    return file


def refused(folder, text, *words):
    checked = check(folder, text, "--proto", folder / "new")
    assert checked.returncode == 2, checked.stdout + checked.stderr
    for word in words:
        assert word in checked.stderr
    assert not (folder / "new").exists()  # Nothing is written, nor planned.
    assert "service demo" not in checked.stdout
    return checked.stderr.splitlines()


def test_a_contract_that_is_kept_says_nothing(folder, contract):
    assert write_protos(folder, SERVICE) == contract.read_text()


def test_a_reordered_file_keeps_the_numbers(folder, contract):
    text = SERVICE.replace("{first: text, second: bytes}", "{second: bytes, first: text}").replace(
        "{one: a, two: b}", "{two: b, one: a}")
    assert fields(write_protos(folder, text)) == fields(contract.read_text()) == {
        "SayRequest.first": 1, "SayRequest.second": 2, "SayReply.one": 1, "SayReply.two": 2}
    contract.unlink()
    assert fields(write_protos(folder, text, "without"))["SayRequest.second"] == 1


def test_added_inputs_and_outputs_get_the_next_numbers(folder, contract):
    written = write_protos(folder, ADDED)
    assert fields(written) == fields(contract.read_text()) | {
        "SayRequest.zeroth": 3, "SayReply.three": 3}
    contract.write_text(written)  # On purpose: now it is the contract.
    refused(folder, SERVICE, "input 'zeroth' of api 'say'", "output 'three' of api 'say'")


def test_an_added_api_is_compatible(folder, contract):
    written = write_protos(folder, SERVICE + MORE)
    assert "rpc Tell" in written and fields(written) == fields(contract.read_text())


def test_a_removed_input_is_an_error(folder, contract):
    line = contract.read_text().splitlines().index("  optional bytes second = 2;") + 1
    (said,) = refused(
        folder, SERVICE.replace(", second: bytes", "").replace("last(second)", "last(first)"),
        f"{contract}:{line}:3: input 'second' of api 'say' is not in the service file any more")
    assert "reserved 2; reserved \"second\";" in said
    # What it says to do to break with clients works.
    contract.write_text(contract.read_text().replace(
        "  optional bytes second = 2;", "  reserved 2; reserved \"second\";"))
    text = SERVICE.replace("second: bytes", "third: bytes").replace("last(second)", "last(third)")
    written = write_protos(folder, text)
    assert fields(written)["SayRequest.third"] == 3
    assert "reserved 2;" in written and 'reserved "second";' in written
    refused(folder, SERVICE, "input 'second' of api 'say' has a name that is reserved")


def test_a_renamed_output_is_an_error(folder, contract):
    refused(folder, SERVICE.replace("one: a", "uno: a"), f"{contract}:",
            "output 'one' of api 'say' is not in the service file")


def test_a_renamed_api_is_an_error(folder, contract):
    (said,) = refused(folder, SERVICE.replace("  say:", "  shout:"), "method 'Say' is of no api")
    assert said.startswith(f"tiffin: {contract}:") or said.startswith(f"{contract}:")


@pytest.mark.parametrize("old, new, words", [
    ("first: text", "first: bytes", ["'optional string' here", "'optional bytes'"]),
    ("first: text, second: bytes", 'first: "text[rows]", second: "bytes[rows]"',
     ["'repeated string'", "'repeated bytes'"])])
def test_a_changed_type_is_an_error(folder, contract, old, new, words):
    refused(folder, SERVICE.replace(old, new), f"{contract}:", *words)


def test_a_renamed_service_is_an_error(folder, contract):
    refused(folder, SERVICE.replace("service: demo", "service: memo"), f"{contract}:",
            "package 'tiffin.services.demo'", "'tiffin.services.memo'")


def test_contracts_of_several_services_are_judged_in_one_run(folder):
    files = []
    for name in ("demo", "memo"):
        (folder / name).mkdir()
        text = SERVICE.replace("demo", name)
        assert check(folder / name, text, "--proto", folder).returncode == 0
        files.append(folder / name / "service.yaml")
        files[-1].write_text(text.replace("one: a", "uno: a"))
        (folder / name / "service.proto").write_bytes(
            (folder / f"tiffin/services/{name}/service.proto").read_bytes())
    checked = harness.run(harness.TIFFIN, "check", *files, "--store", harness.MODELS)
    assert checked.returncode == 2
    for name in ("demo", "memo"):
        assert f"{folder / name / 'service.proto'}:" in checked.stderr


def test_two_services_in_one_folder_can_not_share_a_contract(folder, contract):
    (folder / "memo.yaml").write_text(SERVICE.replace("demo", "memo"))
    checked = harness.run(harness.TIFFIN, "check", folder / "service.yaml", folder / "memo.yaml",
                          "--store", harness.MODELS)
    assert checked.returncode == 2
    assert f"{contract}:" in checked.stderr
    assert "keep each service in a folder of its own" in checked.stderr


@pytest.mark.parametrize("text, words", [
    ("syntax = \"proto3\";\nmessage Say {\n", [":3:1: "]),
    ("\0\1\2", [":1:1: "]),
    ("// long\n" * 150_000, ["1 MiB"]),
    ("syntax = \"proto3\";" + "message A {" * 50_000, [":1:"])])
def test_what_is_no_proto_file_is_named(folder, contract, text, words):
    contract.write_text(text)
    refused(folder, SERVICE, str(contract), *words)


def test_what_is_no_file_is_named(folder, contract):
    contract.unlink()
    contract.mkdir()
    refused(folder, SERVICE, f"{contract}: ", "regular file")
    contract.rmdir()
    os.mkfifo(contract)
    refused(folder, SERVICE, f"{contract}: ", "regular file")
    contract.unlink()
    contract.symlink_to(folder / "nothing")
    refused(folder, SERVICE, f"{contract}: ", "regular file")
    contract.unlink()
    contract.symlink_to(folder / "old/tiffin/services/demo/service.proto")
    assert write_protos(folder, SERVICE)


def test_serve_says_the_same_and_opens_no_port(folder, contract):
    text = SERVICE.replace("one: a", "uno: a")
    (folder / "service.yaml").write_text(text)
    server = harness.Server(folder / "service.yaml", folder=folder)
    try:
        server.start()
        assert server.wait(harness.START_S) == 2
        said = [line for line in server.lines if f"{contract}:" in line]
        assert len(said) == 1 and "output 'one' of api 'say'" in said[0], server.lines
        assert not any("serving on" in line for line in server.lines)
    finally:
        server.close()
