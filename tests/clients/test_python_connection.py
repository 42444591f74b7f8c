"""How both Python clients connect: TLS, tokens, attempts, and servers that change."""

import numpy as np
import pytest

import harness
from authority import Authority
from harness import ANSWER_S
from python_clients import ODD_NAMES
from python_clients import make, server  # noqa: F401 - fixtures.
from python_package import tiffin
from tiffin import errors


# Security.


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


def test_tls_both_ways_with_a_token(make, authority, folder):
    pair, own = authority.make("server"), authority.make("client")
    tokens = folder / "tokens.yaml"
    made = harness.run(harness.TIFFIN, "token", "me", "--service", "names", "--append", tokens)
    assert made.returncode == 0, made.stderr
    (folder / "token").write_text(made.stdout)
    token = made.stdout.strip()
    text = {"self": "s", "api": "a", "timeout": "t", "class": "c"}
    args = [*pair.flags, "--tls-client-ca", authority.certificate, "--tokens", tokens]
    other = ODD_NAMES.replace("names", "foreign")
    with harness.Server(ODD_NAMES, other, args=args) as server:
        tls = {"tls_ca": authority.certificate, "tls_certificate": own.certificate,
               "tls_key": own.key, "timeout": ANSWER_S}
        client = make(server.address, token=token, **tls)
        assert client.call("names.call", **text)["get"] == "t"
        assert {model.name for model in client.models()} == {"names.call", "names.word"}
        assert make(server.address, token_file=folder / "token", **tls).call(
            "names.call", **text)["get"] == "t"
        with pytest.raises(errors.PermissionDenied, match="foreign"):
            client.call("foreign.call", **text)
        for wrong in (make(server.address, **tls), make(server.address, token="x" * 43, **tls)):
            with pytest.raises(errors.Unauthenticated):
                wrong.call("names.call", **text)
            assert wrong.ready() is True  # Health needs none.
        del tls["tls_certificate"], tls["tls_key"]
        with pytest.raises(errors.Unavailable):
            make(server.address, token=token, **tls).call("names.call", **text)


def test_the_name_in_a_certificate_can_be_given(make, authority):
    pair = authority.make("elsewhere", names="DNS:tiffin.example")
    with harness.Server(ODD_NAMES, args=pair.flags) as server:
        tls = {"tls_ca": authority.certificate, "timeout": ANSWER_S}
        assert make(server.address, **tls).ready() is False
        assert make(server.address, tls_server_name="tiffin.example", **tls).ready() is True


@pytest.mark.parametrize("options, words", [
    ({"token": "secret"}, "not the loopback"), ({"token": "two words"}, "one word"),
    ({"token": ""}, "one word"), ({"token": "a", "token_file": "b"}, "two tokens"),
    ({"tls_server_name": "x"}, "for TLS"), ({"tls_key": "x"}, "go together"),
    ({"retries": 5}, "0 to 4"), ({"retries": -1}, "0 to 4")])
def test_options_that_make_no_sense_are_refused(make, options, words):
    with pytest.raises(ValueError, match=words) as error:
        make("example.org:8001", **options)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("address, is_loopback", [
    ("127.0.0.1:1", True), ("127.8.8.8:1", True), ("[::1]:1", True), ("localhost:1", True),
    ("unix:/x", True), ("dns:///localhost:1", True), ("10.0.0.1:1", False),
    ("localhost.example.org:1", False), ("[2001:db8::1]:1", False)])
def test_a_token_is_sent_in_plaintext_to_the_loopback_only(make, address, is_loopback):
    make(address, token="t", tokens_in_plaintext=True)
    if is_loopback:
        make(address, token="t")
    else:
        with pytest.raises(ValueError, match="not the loopback"):
            make(address, token="t")


def test_the_environment_has_defaults(make, server, monkeypatch):
    monkeypatch.setenv("TIFFIN_ADDRESS", server.address)
    assert make(timeout=ANSWER_S).ready() is True
    monkeypatch.setenv("TIFFIN_TOKEN", "from the environment")
    with pytest.raises(ValueError, match="one word"):
        make()
    monkeypatch.setenv("TIFFIN_TOKEN", "secret")
    assert "secret" not in repr(vars(make("localhost:1").own)["_connection"])


# Attempts.

FLAKY = """
service: flaky
runners:
  lamp: {backend: testing, options: {behavior: fail, code: %s, times: 2, retry_safe: false,
         shape: [-1]}}
apis:
  light:
    input: {x: "fp32[-1]"}
    steps: {a: lamp(x)}
    output: {y: a}
"""


@pytest.mark.parametrize("code, retries, works", [
    ("UNAVAILABLE", 2, True), ("UNAVAILABLE", 1, False), ("UNAVAILABLE", 0, False),
    ("RESOURCE_EXHAUSTED", 4, False)])
def test_only_what_was_unavailable_is_tried_again_and_only_when_asked(make, code, retries, works):
    with harness.Server(FLAKY % code) as server:
        client = make(server.address, retries=retries, timeout=ANSWER_S)
        # Larger than what gRPC would keep by itself.
        x = np.ones(1_000_000, np.float32)
        if works:
            np.testing.assert_array_equal(client.call("flaky.light", x=x).y, x)
        else:
            with pytest.raises(tiffin.TiffinError) as error:
                client.call("flaky.light", x=x)
            assert error.value.code == code


# Another server at the same address.

MENU = """
service: menu
runners:
  word: {backend: testing, options: {behavior: identity, dtype: bytes, shape: []}}
apis:
  order:
    input: {%s}
    steps: {a: word(soup)}
    output: {%s}
"""


@pytest.mark.parametrize("by_error", [True, False], ids=["called_meanwhile", "idle_meanwhile"])
def test_a_server_that_has_changed_is_learnt_again(make, folder, by_error, monkeypatch):
    if by_error:  # As if another call had connected again before it is looked at.
        for kind in (tiffin.Client, tiffin.AsyncClient):
            monkeypatch.setattr(kind, "_is_connected", lambda self: True)
    address = f"unix:{folder}/s"
    client = make(address, timeout=ANSWER_S)
    order = {"soup": "hot", "side": "bread"}
    with harness.Server(MENU % ("soup: text, side: text", "soup: soup, side: side, a: a"),
                        address=address):
        assert client.call("menu.order", **order).soup == "hot"
    if by_error:
        with pytest.raises(errors.Unavailable):
            client.call("menu.order", **order)
    # The inputs have other numbers.
    with harness.Server(MENU % ("side: text, soup: text", "soup: soup, side: side, a: a"),
                        address=address):
        if by_error:
            harness.eventually(client.ready)
        reply = client.call("menu.order", **order)
        assert {name: reply[name] for name in order} == order


def test_an_input_that_is_new_is_looked_for(make, folder):
    address = f"unix:{folder}/s"
    client = make(address, timeout=ANSWER_S)
    with harness.Server(MENU % ("soup: text", "soup: soup, a: a"), address=address):
        assert client.call("menu.order", soup="hot").soup == "hot"
    with harness.Server(MENU % ("soup: text, side: text", "side: side, a: a"), address=address):
        harness.eventually(client.ready)
        assert client.call("menu.order", soup="hot", side="bread").side == "bread"
