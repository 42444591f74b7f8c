"""Text classifiers of transformers, into a model store.

A model's folder is what `save_pretrained` writes. Nothing of it is ever run as code and nothing is
downloaded: a folder with code of its own, or with pickled weights, is refused.
"""

import dataclasses
import importlib
import json
import os
import pathlib
import tempfile
import warnings
from collections.abc import Mapping
from typing import Any

from tiffin.errors import ModelError
from tiffin.store import PathLike, SavedModel, Store, opened

# Beyond this no tokenizer means it: transformers writes 1e30 for "no limit".
LARGEST_LENGTH = 1 << 20
TOLERANCE = 1e-5
EXAMPLE = "The food was good, and everybody was friendly."
CODE_KEY = "auto_map"  # Where a config names classes in Python files of the folder.


@dataclasses.dataclass(frozen=True)
class Classifier:
    network: Any
    tokenizer: Any
    labels: list[str]
    # In tokens, special ones included.
    max_length: int


def save_model(name: str, model: Any, tokenizer: Any = None, *, example: str = EXAMPLE,
               max_length: int | None = None, metadata: Mapping[str, Any] | None = None,
               store: Store | PathLike | None = None) -> SavedModel:
    """Puts a text classifier into the store, as the next version of `name`.

    `model` is the folder that `save_pretrained()` wrote for a network of the kind
    ...ForSequenceClassification and its tokenizer, or such a network, and then `tokenizer` is its
    tokenizer. The network is traced to TorchScript and compared with the original. Its labels are
    those of id2label; `max_length` lowers the longest text, in tokens; `example` is a text that is
    kept with the model. A runner of it takes a text, and has the outputs label, score and scores.
    """
    if isinstance(model, (str, os.PathLike)):
        if tokenizer is not None:
            raise ModelError("a folder has its tokenizer in it; leave the other one out")
        classifier = load(model, max_length)
    else:
        if tokenizer is None:
            raise ModelError("the network's tokenizer is missing; give it as tokenizer=...")
        with tempfile.TemporaryDirectory() as scratch:
            model.save_pretrained(scratch)
            tokenizer.save_pretrained(scratch)
            classifier = load(scratch, max_length)
    saved, _ = save_classifier(name, classifier, example=example, metadata=metadata, store=store)
    return saved


def save_classifier(name: str, classifier: Classifier, *, example: str,
                    metadata: Mapping[str, Any] | None,
                    store: Store | PathLike | None) -> tuple[SavedModel, float]:
    """The model in the store, and how far the traced network is from the original."""
    import torch

    store = opened(store)
    traced, difference = trace(classifier)
    made_with = {
        "architecture": type(classifier.network).__name__,
        "made_with": f"transformers {library().__version__}, torch {torch.__version__}",
    }
    with tempfile.TemporaryDirectory() as scratch:
        files = [pathlib.Path(scratch) / "model.pt", pathlib.Path(scratch) / "tokenizer.json"]
        traced.save(str(files[0]))
        write_tokenizer(classifier.tokenizer, files[1])
        saved = store.import_model(
            name, files, backend="torch", labels=classifier.labels, example={"text": example},
            options={"max_length": classifier.max_length},
            metadata={**made_with, **(metadata or {})})
    return saved, difference


def library() -> Any:
    """The library, told to stay offline and quiet."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    module = importlib.import_module("transformers")
    module.utils.logging.disable_progress_bar()
    return module


def load(folder: PathLike, max_length: int | None = None) -> Classifier:
    """Loads and checks a folder; ModelError says what is not as it must be. `max_length` lowers the
    model's own limit."""
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise ModelError(
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


def read_json(folder: pathlib.Path, name: str) -> dict[str, Any]:
    try:
        content = json.loads((folder / name).read_text("utf-8"))
    except FileNotFoundError:
        adapter = (folder / "adapter_config.json").is_file()
        raise ModelError(
            f"{folder} has no {name}, so it is no folder of a model"
            + ("; it holds an adapter only: merge it into its model (merge_and_unload() in peft) "
               "and save_pretrained() that" if adapter else
               "; give the folder that save_pretrained() wrote")) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / name} can't be read: {error}") from None
    if not isinstance(content, dict):
        raise ModelError(f"{folder / name} is not a JSON object; save the model again")
    return content


def refuse_code(folder: pathlib.Path, name: str, content: Mapping[str, Any]) -> None:
    if CODE_KEY in content:
        raise ModelError(
            f"{folder / name} wants Python code of its own to be run ('{CODE_KEY}'), which is not "
            "done here; use a model whose class is in transformers itself")


def check_config(folder: pathlib.Path, config: Mapping[str, Any]) -> None:
    refuse_code(folder, "config.json", config)
    made_for = config.get("architectures") or []
    if not any(str(kind).endswith("ForSequenceClassification") for kind in made_for):
        kind = ", ".join(map(str, made_for)) or f"of kind {config.get('model_type', 'unknown')}"
        raise ModelError(
            f"{folder} is no classifier of texts, it is {kind}; fine-tune it as "
            "AutoModelForSequenceClassification and save_pretrained() the result")
    problem_type = config.get("problem_type")
    if problem_type not in (None, "single_label_classification"):
        raise ModelError(
            f"{folder} is a model of the kind '{problem_type}'; only one label of several "
            "(single_label_classification, the softmax of the logits) is served")


def check_weights(folder: pathlib.Path) -> None:
    if any((folder / name).is_file()
           for name in ("model.safetensors", "model.safetensors.index.json")):
        return
    pickled = sorted(folder.glob("pytorch_model*.bin"))
    if pickled:
        raise ModelError(
            f"{folder} has its weights in {pickled[0].name} only, a pickle, which can run any code "
            "when it is read; if you trust it, write model.safetensors once: "
            "AutoModelForSequenceClassification.from_pretrained(DIR).save_pretrained(NEW_DIR)")
    raise ModelError(
        f"{folder} has no weights (model.safetensors); download or save the whole model again")


def check_tokenizer_files(folder: pathlib.Path) -> None:
    if (folder / "tokenizer_config.json").is_file():
        refuse_code(folder, "tokenizer_config.json", read_json(folder, "tokenizer_config.json"))
    if (folder / "tokenizer.json").is_file():
        model = read_json(folder, "tokenizer.json").get("model")
        kind = model.get("type") if isinstance(model, dict) else None
        if kind != "WordPiece":
            raise ModelError(
                f"{folder / 'tokenizer.json'} is a tokenizer of the kind '{kind}'; only BERT's "
                "WordPiece is served: choose a model of the families BERT, DistilBERT, ELECTRA or "
                "MiniLM")
    elif not (folder / "vocab.txt").is_file():
        raise ModelError(
            f"{folder} has neither tokenizer.json nor vocab.txt, so there is no WordPiece "
            "tokenizer, the kind that is served; save_pretrained() the model's tokenizer into the "
            "folder too")


def load_network(folder: pathlib.Path) -> Any:
    import torch

    try:
        network, notes = library().AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True,
            dtype=torch.float32, output_loading_info=True)
    except Exception as error:  # Whatever transformers may throw at a folder that is damaged.
        raise ModelError(f"transformers can't load {folder}: {first_line(error)}") from error
    absent = sorted(notes["missing_keys"])
    if absent:
        raise ModelError(
            f"the weights of {folder} lack {', '.join(absent[:3])}"
            f"{f' and {len(absent) - 3} more' if len(absent) > 3 else ''}; the classifier was "
            "never trained, or the weights are another model's: fine-tune it, and save it again")
    return network.eval()


def load_tokenizer(folder: pathlib.Path, vocabulary: int) -> Any:
    try:
        tokenizer = library().AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_fast=True)
    except Exception as error:
        raise ModelError(
            f"transformers can't load the tokenizer of {folder}: {first_line(error)}") from error
    fast = getattr(tokenizer, "backend_tokenizer", None)
    kind = type(fast.model).__name__ if fast is not None else type(tokenizer).__name__
    if kind != "WordPiece":
        raise ModelError(
            f"{folder} has a tokenizer of the kind '{kind}'; only BERT's WordPiece is served")
    if len(tokenizer) > vocabulary:
        raise ModelError(
            f"the tokenizer of {folder} knows {len(tokenizer)} tokens, the network only "
            f"{vocabulary}: they are not of one model")
    return tokenizer


def labels_of(folder: pathlib.Path, config: Any) -> list[str]:
    if config.num_labels < 2:
        raise ModelError(
            f"{folder} has a single output, so it is a regression; only one label of several "
            "(the softmax of the logits) is served")
    labels = [str(config.id2label.get(number, "")) for number in range(config.num_labels)]
    if not all(label.strip() for label in labels) or len(set(labels)) != len(labels):
        raise ModelError(
            f"{folder / 'config.json'} must name each of the {len(labels)} labels, differently, "
            f"in id2label; it has {labels}")
    return labels


def length_limit(folder: pathlib.Path, tokenizer: Any, config: Any,
                 wanted: int | None) -> int:
    own = min(int(tokenizer.model_max_length),
              int(getattr(config, "max_position_embeddings", None) or LARGEST_LENGTH + 1))
    if own > LARGEST_LENGTH and wanted is None:
        raise ModelError(
            f"neither the config nor the tokenizer of {folder} tells how long a text may be; "
            "give it by max_length, in tokens")
    least = tokenizer.num_special_tokens_to_add() + 1
    if wanted is not None and not least <= wanted <= own:
        raise ModelError(
            f"max_length {wanted} must be from {least} to the model's own limit, {own}")
    return own if wanted is None else wanted


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def classify(classifier: Classifier, text: str) -> list[float]:
    """The probability of each label, as transformers gives it for this text alone."""
    import torch

    encoded = classifier.tokenizer(
        text, truncation=True, max_length=classifier.max_length, return_tensors="pt")
    with torch.inference_mode():
        logits = classifier.network(
            input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]).logits
    scores: list[float] = torch.softmax(logits[0], dim=0).tolist()
    return scores


def random_tokens(rows: int, length: int, vocabulary: int) -> Any:
    """Ids and a mask of rows that are padded to different lengths, the first one not at all."""
    import torch

    generator = torch.Generator().manual_seed(rows * 1000 + length)
    ids = torch.randint(0, vocabulary, (rows, length), generator=generator)
    lengths = torch.randint(1, length + 1, (rows, 1), generator=generator)
    lengths[0] = length
    mask = (torch.arange(length) < lengths).long()
    return ids * mask, mask


def trace(classifier: Classifier) -> tuple[Any, float]:
    """The network as TorchScript: forward(input_ids, attention_mask) -> logits."""
    import torch

    class Logits(torch.nn.Module):
        def __init__(self, network: Any) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.network(input_ids=input_ids, attention_mask=attention_mask).logits

    eager = Logits(classifier.network).eval()
    vocabulary = classifier.network.config.vocab_size
    example = random_tokens(2, min(8, classifier.max_length), vocabulary)
    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
        # That constants are recorded is checked below, by what comes out.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(eager, example, strict=False, check_trace=False)
        return traced, compare(traced, eager, vocabulary, classifier.max_length)


def compare(traced: Any, eager: Any, vocabulary: int, max_length: int) -> float:
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
            raise ModelError(
                f"the traced network fails on {rows} x {length} tokens: {first_line(error)}; its "
                "kind can't be served") from error
        difference = float((got - want).abs().max())
        if not torch.allclose(got, want, rtol=TOLERANCE, atol=TOLERANCE):
            raise ModelError(
                f"the traced network differs by {difference:.2g} on {rows} x {length} tokens; its "
                "kind can't be served")
        worst = max(worst, difference)
    return worst


def write_tokenizer(tokenizer: Any, path: pathlib.Path) -> None:
    """How texts are cut and padded is the server's business, so the file says nothing of it."""
    fast = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
    fast.no_padding()
    fast.no_truncation()
    fast.save(str(path))
