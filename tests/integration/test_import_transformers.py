"""scripts/import_transformers: a Hugging Face folder becomes a served model, or is refused with the
reason and the fix. The folders are of small networks with random weights, made here."""

import json
import shutil
import sys

import numpy as np
import pytest

import harness

sys.path.insert(0, str(harness.ROOT / "common/python"))
from tiffin import transformers as hugging_face  # noqa: E402 - found by the line above.
from tiffin.errors import ModelError  # noqa: E402

SCRIPT = harness.ROOT / "scripts/import_transformers"
WORDS = ("[PAD] [UNK] [CLS] [SEP] [MASK] the a food was is good bad not very "
         "##ly ##s ##ness . , !").split()
LABELS = ["bad, really", "good", "neither"]
TEXTS = ("the food was good", "BAD foods!", "", "a", "not good, very bad. " * 20,
         "caf\u00e9 \u5403", "[SEP] goodness")


def import_folder(*args):
    return harness.run(SCRIPT, *args, "--tiffin", harness.TIFFIN, timeout=150 * harness.SLOWNESS)


@pytest.fixture(scope="module")
def whole(module_folder):
    """A folder as save_pretrained leaves it."""
    library = hugging_face.library()
    import torch

    folder = module_folder / "Tiny-BERT v1"
    torch.manual_seed(7)
    config = library.BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=40, initializer_range=0.5,
        id2label=dict(enumerate(LABELS)), label2id={name: i for i, name in enumerate(LABELS)})
    library.BertForSequenceClassification(config).save_pretrained(folder)
    library.BertTokenizer(vocab={word: number for number, word in enumerate(WORDS)},
                          model_max_length=24).save_pretrained(folder)
    return folder


@pytest.fixture
def copy(whole, folder):
    """A folder of its own, to be spoilt."""
    return shutil.copytree(whole, folder / "model")


def change(folder, name, **values):
    """Sets values of a JSON file; None takes one out."""
    content = json.loads((folder / name).read_text()) | values
    (folder / name).write_text(
        json.dumps({key: value for key, value in content.items() if value is not None}))


@pytest.fixture(scope="module")
def imported(whole, module_folder):
    """The store, and what the script said."""
    store = module_folder / "store"
    made = import_folder(whole, "--store", store, "--example", "the food was good",
                         "--metadata", "license=MIT", "year=2024")
    assert made.returncode == 0, made.stderr
    return store, made.stdout


def test_the_model_keeps_labels_limit_example_and_metadata(imported):
    store, said = imported
    # Named by its folder.
    shown = harness.run(harness.TIFFIN, "models", "show", "tiny_bert_v1", "--json",
                        "--store", store)
    assert shown.returncode == 0, shown.stderr
    model = json.loads(shown.stdout)
    assert model["backend"] == "torch"
    assert model["labels"] == LABELS
    assert model["options"] == {"max_length": 24}
    assert set(model["files"]) == {"model.pt", "tokenizer.json"}
    assert model["metadata"]["license"] == "MIT"
    assert model["metadata"]["year"] == 2024
    assert model["metadata"]["architecture"] == "BertForSequenceClassification"
    assert model["example"]["run"]["text"] == "the food was good"
    outputs = [output["name"] for output in model["methods"]["run"]["outputs"]]
    assert outputs == ["label", "score", "scores"]
    for word in ("bad, really", "24 tokens", "BertForSequenceClassification"):
        assert word in said


def test_the_served_model_answers_as_transformers(imported, whole):
    store, _ = imported
    classifier = hugging_face.load(whole)
    service = "\n".join((
        "service: felt", "runners:", "  feeling: {model: 'tiny_bert_v1:latest'}", "apis:",
        "  feel:", "    input: {text: text}", "    steps: {answer: feeling(text)}",
        "    output: {label: answer.label}", ""))
    with harness.Server(service, store=store) as server:
        for text in TEXTS:
            want = hugging_face.classify(classifier, text)
            got = server.infer("felt.feeling", text=text)
            np.testing.assert_allclose(got["scores"].reshape(-1), want, rtol=0, atol=1e-4)
            (label,) = got["label"]
            assert label.decode() == LABELS[int(np.argmax(want))], text


def test_the_limit_can_be_lowered_but_not_raised(whole):
    assert hugging_face.load(whole).max_length == 24
    assert hugging_face.load(whole, 10).max_length == 10
    for wrong in (25, 2, -1):
        with pytest.raises(ModelError, match="max_length.* 3 to .* 24"):
            hugging_face.load(whole, wrong)


def test_the_network_may_limit_texts_below_the_tokenizer(copy):
    change(copy, "tokenizer_config.json", model_max_length=10**30)
    assert hugging_face.load(copy).max_length == 40


def test_a_vocabulary_without_tokenizer_json_is_enough(copy, whole):
    (copy / "tokenizer.json").unlink()
    (copy / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    for text in TEXTS:
        assert (hugging_face.load(copy).tokenizer(text)["input_ids"]
                == hugging_face.load(whole).tokenizer(text)["input_ids"])


def test_padding_and_cutting_are_left_to_the_server(copy, folder):
    content = json.loads((copy / "tokenizer.json").read_text())
    content["padding"] = {
        "strategy": {"Fixed": 16}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
        "pad_type_id": 0, "pad_token": "[PAD]"}
    content["truncation"] = {
        "max_length": 8, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    (copy / "tokenizer.json").write_text(json.dumps(content))
    hugging_face.write_tokenizer(hugging_face.load(copy).tokenizer, folder / "written.json")
    written = json.loads((folder / "written.json").read_text())
    assert written["padding"] is None and written["truncation"] is None
    assert written["model"]["vocab"] == content["model"]["vocab"]


def remove(*names):
    return lambda folder: [(folder / name).unlink() for name in names]


def with_config(**values):
    return lambda folder: change(folder, "config.json", **values)


def pickle_instead(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def adapter_instead(folder):
    (folder / "config.json").rename(folder / "adapter_config.json")


def other_tokenizer(folder):
    change(folder, "tokenizer.json", model={"type": "BPE", "vocab": {}, "merges": []})


def tokenizer_with_code(folder):
    change(folder, "tokenizer_config.json", auto_map={"AutoTokenizer": ["mine.Mine", None]})


def more_tokens_than_rows(folder):
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["vocab"]["surplus"] = len(WORDS)
    (folder / "tokenizer.json").write_text(json.dumps(content))


def untrained_head(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights = {name: of for name, of in weights.items() if not name.startswith("classifier.")}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def write_text(name, text):
    return lambda folder: (folder / name).write_text(text)


SPOILT = {
    "no config": (remove("config.json"), ("config.json", "save_pretrained")),
    "an adapter": (adapter_instead, ("adapter", "merge_and_unload")),
    "a config that is no JSON": (write_text("config.json", "{"), ("config.json", "can't be read")),
    "a config of another kind": (write_text("config.json", "[]"), ("not a JSON object",)),
    "code of its own": (
        with_config(auto_map={"AutoModel": "mine.Mine"}), ("auto_map", "not done here")),
    "a tokenizer's code": (tokenizer_with_code, ("auto_map", "tokenizer_config.json")),
    "no classifier": (
        with_config(architectures=["BertForMaskedLM"]),
        ("BertForMaskedLM", "AutoModelForSequenceClassification")),
    "an unnamed architecture": (with_config(architectures=None), ("kind bert", "no classifier")),
    "an unknown model": (with_config(model_type="nonsense"), ("can't load", "nonsense")),
    "many labels at once": (
        with_config(problem_type="multi_label_classification"), ("multi_label", "softmax")),
    "a regression by name": (with_config(problem_type="regression"), ("regression", "softmax")),
    "labels alike": (
        with_config(id2label={"0": "a", "1": "a", "2": "b"}), ("id2label", "differently")),
    "an empty label": (
        with_config(id2label={"0": "a", "1": " ", "2": "b"}), ("id2label", "differently")),
    "no weights": (remove("model.safetensors"), ("no weights", "model.safetensors")),
    "pickled weights": (pickle_instead, ("pickle", "save_pretrained")),
    "damaged weights": (write_text("model.safetensors", "not this"), ("can't load",)),
    "an untrained head": (untrained_head, ("classifier.bias", "fine-tune")),
    "no tokenizer": (remove("tokenizer.json"), ("tokenizer.json", "vocab.txt")),
    "another tokenizer": (other_tokenizer, ("BPE", "WordPiece")),
    "a damaged tokenizer": (
        write_text("tokenizer.json", '{"model": {"type": "WordPiece"}}'),
        ("can't load", "tokenizer")),
    "more tokens than the network has": (more_tokens_than_rows, ("not of one model",)),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_folder_that_cannot_be_served_is_refused(how, copy):
    spoil, words = SPOILT[how]
    spoil(copy)
    with pytest.raises(ModelError) as refused:
        hugging_face.load(copy)
    for word in (*words, str(copy)):
        assert word in str(refused.value)


def test_a_single_output_is_a_regression(copy):
    library = hugging_face.library()
    config = library.BertConfig.from_pretrained(copy)
    config.num_labels = 1
    library.BertForSequenceClassification(config).save_pretrained(copy)
    with pytest.raises(ModelError, match="regression"):
        hugging_face.load(copy)


def test_a_text_that_has_no_limit_needs_one(copy, monkeypatch):
    monkeypatch.setattr(hugging_face, "LARGEST_LENGTH", 4)
    with pytest.raises(ModelError, match="max_length"):
        hugging_face.load(copy)


def test_a_network_that_traces_wrongly_is_refused(whole):
    import torch

    classifier = hugging_face.load(whole)
    forward = classifier.network.forward

    def counts_rows(input_ids, **inputs):
        output = forward(input_ids=input_ids, **inputs)
        # A number of Python's, which tracing takes for a constant.
        output.logits = output.logits + float(torch.tensor(input_ids.shape).sum())
        return output

    classifier.network.forward = counts_rows
    with pytest.raises(ModelError, match="traced network differs"):
        hugging_face.trace(classifier)


def test_the_script_says_what_is_wrong(folder, whole):
    store = ("--store", folder / "store")
    missing = import_folder(folder / "nothing", *store)
    assert missing.returncode == 1
    assert "no folder" in missing.stderr and "hf download" in missing.stderr
    for wrong, word in (("--name=Bad-Name", "--name"), ("--metadata=novalue", "key=value")):
        refused = import_folder(whole, *store, wrong)
        assert refused.returncode == 1
        assert word in refused.stderr
        assert "Traceback" not in refused.stderr
    program = harness.run(SCRIPT, whole, *store, "--tiffin", folder / "nothing")
    assert program.returncode == 1 and "option tiffin" in program.stderr
    assert not (folder / "store").exists()


def test_help_teaches():
    said = harness.run(SCRIPT, "--help")
    assert said.returncode == 0
    for word in ("save_pretrained", "WordPiece", "id2label", "--max-length", "--example"):
        assert word in said.stdout
