"""Brings a Hugging Face text-classification folder into a model store.

Such a folder is what `save_pretrained` writes. Nothing of it is ever run as code and nothing is
downloaded: a folder with code of its own, or with pickled weights, is refused.
"""

import dataclasses
import importlib
import json
import os
import pathlib
import tempfile
import warnings
from typing import Any

from models.console import Problem

# Beyond this no tokenizer means it: transformers writes 1e30 for "no limit".
LARGEST_LENGTH = 1 << 20
TOLERANCE = 1e-5
CODE_KEY = "auto_map"  # Where a config names classes in Python files of the folder.


@dataclasses.dataclass(frozen=True)
class Classifier:
    network: Any
    tokenizer: Any
    labels: list[str]
    # In tokens, special ones included.
    max_length: int


def transformers():
    """The library, told to stay offline and quiet."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    library = importlib.import_module("transformers")
    library.utils.logging.disable_progress_bar()
    return library


def load(folder, max_length=None):
    """Loads and checks a folder; Problem says what is not as it must be. `max_length` lowers the
    model's own limit."""
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise Problem(
            f"there is no folder {folder}; give one that save_pretrained() wrote, or that "
            "'hf download NAME --local-dir DIR' left (nothing is downloaded here)")
    config = read_json(folder, "config.json")
    check_config(folder, config)
    check_weights(folder)
    check_tokenizer_files(folder)
    network = load_network(folder)
    tokenizer = load_tokenizer(folder, network.config.vocab_size)
    return Classifier(network, tokenizer, labels_of(folder, network.config),
                      length_limit(folder, tokenizer, network.config, max_length))


def read_json(folder, name):
    try:
        content = json.loads((folder / name).read_text("utf-8"))
    except FileNotFoundError:
        adapter = (folder / "adapter_config.json").is_file()
        raise Problem(
            f"{folder} has no {name}, so it is no folder of a model"
            + ("; it holds an adapter only: merge it into its model (merge_and_unload() in peft) "
               "and save_pretrained() that" if adapter else
               "; give the folder that save_pretrained() wrote")) from None
    except (OSError, ValueError) as error:
        raise Problem(f"{folder / name} can't be read: {error}") from None
    if not isinstance(content, dict):
        raise Problem(f"{folder / name} is not a JSON object; save the model again")
    return content


def refuse_code(folder, name, content):
    if CODE_KEY in content:
        raise Problem(
            f"{folder / name} wants Python code of its own to be run ('{CODE_KEY}'), which is not "
            "done here; use a model whose class is in transformers itself")


def check_config(folder, config):
    refuse_code(folder, "config.json", config)
    made_for = config.get("architectures") or []
    if not any(str(kind).endswith("ForSequenceClassification") for kind in made_for):
        kind = ", ".join(map(str, made_for)) or f"of kind {config.get('model_type', 'unknown')}"
        raise Problem(
            f"{folder} is no classifier of texts, it is {kind}; fine-tune it as "
            "AutoModelForSequenceClassification and save_pretrained() the result")
    problem_type = config.get("problem_type")
    if problem_type not in (None, "single_label_classification"):
        raise Problem(
            f"{folder} is a model of the kind '{problem_type}'; only one label of several "
            "(single_label_classification, the softmax of the logits) is served")


def check_weights(folder):
    if any((folder / name).is_file()
           for name in ("model.safetensors", "model.safetensors.index.json")):
        return
    pickled = sorted(folder.glob("pytorch_model*.bin"))
    if pickled:
        raise Problem(
            f"{folder} has its weights in {pickled[0].name} only, a pickle, which can run any code "
            "when it is read; if you trust it, write model.safetensors once: "
            "AutoModelForSequenceClassification.from_pretrained(DIR).save_pretrained(NEW_DIR)")
    raise Problem(
        f"{folder} has no weights (model.safetensors); download or save the whole model again")


def check_tokenizer_files(folder):
    if (folder / "tokenizer_config.json").is_file():
        refuse_code(folder, "tokenizer_config.json", read_json(folder, "tokenizer_config.json"))
    if (folder / "tokenizer.json").is_file():
        model = read_json(folder, "tokenizer.json").get("model")
        kind = model.get("type") if isinstance(model, dict) else None
        if kind != "WordPiece":
            raise Problem(
                f"{folder / 'tokenizer.json'} is a tokenizer of the kind '{kind}'; only BERT's "
                "WordPiece is served: choose a model of the families BERT, DistilBERT, ELECTRA or "
                "MiniLM")
    elif not (folder / "vocab.txt").is_file():
        raise Problem(
            f"{folder} has neither tokenizer.json nor vocab.txt, so there is no WordPiece "
            "tokenizer, the kind that is served; save_pretrained() the model's tokenizer into the "
            "folder too")


def load_network(folder):
    library = transformers()
    import torch

    try:
        network, notes = library.AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True,
            dtype=torch.float32, output_loading_info=True)
    except Exception as error:  # Whatever transformers may throw at a folder that is damaged.
        raise Problem(f"transformers can't load {folder}: {first_line(error)}") from error
    absent = sorted(notes["missing_keys"])
    if absent:
        raise Problem(
            f"the weights of {folder} lack {', '.join(absent[:3])}"
            f"{f' and {len(absent) - 3} more' if len(absent) > 3 else ''}; the classifier was "
            "never trained, or the weights are another model's: fine-tune it, and save it again")
    return network.eval()


def load_tokenizer(folder, vocabulary):
    library = transformers()
    try:
        tokenizer = library.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_fast=True)
    except Exception as error:
        raise Problem(
            f"transformers can't load the tokenizer of {folder}: {first_line(error)}") from error
    fast = getattr(tokenizer, "backend_tokenizer", None)
    kind = type(fast.model).__name__ if fast is not None else type(tokenizer).__name__
    if kind != "WordPiece":
        raise Problem(
            f"{folder} has a tokenizer of the kind '{kind}'; only BERT's WordPiece is served")
    if len(tokenizer) > vocabulary:
        raise Problem(
            f"the tokenizer of {folder} knows {len(tokenizer)} tokens, the network only "
            f"{vocabulary}: they are not of one model")
    return tokenizer


def labels_of(folder, config):
    if config.num_labels < 2:
        raise Problem(
            f"{folder} has a single output, so it is a regression; only one label of several "
            "(the softmax of the logits) is served")
    labels = [str(config.id2label.get(number, "")) for number in range(config.num_labels)]
    if not all(label.strip() for label in labels) or len(set(labels)) != len(labels):
        raise Problem(
            f"{folder / 'config.json'} must name each of the {len(labels)} labels, differently, "
            f"in id2label; it has {labels}")
    return labels


def length_limit(folder, tokenizer, config, wanted):
    own = min(int(tokenizer.model_max_length),
              int(getattr(config, "max_position_embeddings", None) or LARGEST_LENGTH + 1))
    if own > LARGEST_LENGTH and wanted is None:
        raise Problem(
            f"neither the config nor the tokenizer of {folder} tells how long a text may be; "
            "give it by --max-length, in tokens")
    least = tokenizer.num_special_tokens_to_add() + 1
    if wanted is not None and not least <= wanted <= own:
        raise Problem(f"--max-length {wanted} must be from {least} to the model's own limit, {own}")
    return own if wanted is None else wanted


def first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def classify(classifier, text):
    """The probability of each label, as transformers gives it for this text alone."""
    import torch

    encoded = classifier.tokenizer(
        text, truncation=True, max_length=classifier.max_length, return_tensors="pt")
    with torch.inference_mode():
        logits = classifier.network(
            input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]).logits
    return torch.softmax(logits[0], dim=0).tolist()


def random_tokens(rows, length, vocabulary):
    """Ids and a mask of rows that are padded to different lengths, the first one not at all."""
    import torch

    generator = torch.Generator().manual_seed(rows * 1000 + length)
    ids = torch.randint(0, vocabulary, (rows, length), generator=generator)
    lengths = torch.randint(1, length + 1, (rows, 1), generator=generator)
    lengths[0] = length
    mask = (torch.arange(length) < lengths).long()
    return ids * mask, mask


def trace(classifier):
    """The network as TorchScript: forward(input_ids, attention_mask) -> logits."""
    import torch

    class Logits(torch.nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, input_ids, attention_mask):
            return self.network(input_ids=input_ids, attention_mask=attention_mask).logits

    eager = Logits(classifier.network).eval()
    vocabulary = classifier.network.config.vocab_size
    example = random_tokens(2, min(8, classifier.max_length), vocabulary)
    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
        # That constants are recorded is checked below, by what comes out.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(eager, example, strict=False, check_trace=False)
        return traced, compare(traced, eager, vocabulary, classifier.max_length)


def compare(traced, eager, vocabulary, max_length):
    """Runs both on other shapes than the one that was traced; returns the largest difference."""
    import torch

    worst = 0.0
    for rows, length in ((1, 1), (1, 7), (3, 16), (5, 33), (32, 9), (1, max_length)):
        length = min(length, max_length)
        tokens = random_tokens(rows, length, vocabulary)
        want = eager(*tokens)
        try:
            got = traced(*tokens)
        except RuntimeError as error:
            raise Problem(
                f"the traced network fails on {rows} x {length} tokens: {first_line(error)}; its "
                "kind can't be served") from error
        difference = float((got - want).abs().max())
        if not torch.allclose(got, want, rtol=TOLERANCE, atol=TOLERANCE):
            raise Problem(
                f"the traced network differs by {difference:.2g} on {rows} x {length} tokens; its "
                "kind can't be served")
        worst = max(worst, difference)
    return worst


def write_tokenizer(tokenizer, path):
    """How texts are cut and padded is the server's business, so the file says nothing of it."""
    fast = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
    fast.no_padding()
    fast.no_truncation()
    fast.save(str(path))


def import_classifier(store, name, classifier, *, example, metadata, worker_dir=None):
    """Into the store, as the model's next version. Returns what `tiffin models import` printed, and
    how far the traced network is from the folder's."""
    library = transformers()
    import torch

    traced, difference = trace(classifier)
    made_with = {
        "architecture": type(classifier.network).__name__,
        "made_with": f"transformers {library.__version__}, torch {torch.__version__}",
    }
    with tempfile.TemporaryDirectory() as scratch:
        files = [pathlib.Path(scratch) / "model.pt", pathlib.Path(scratch) / "tokenizer.json"]
        traced.save(str(files[0]))
        write_tokenizer(classifier.tokenizer, files[1])
        lines = store.import_model(
            name, files, backend="torch", labels=classifier.labels, example={"text": example},
            options={"max_length": classifier.max_length}, metadata={**made_with, **metadata},
            worker_dir=worker_dir)
    return lines, difference
