"""Imports a Hugging Face text-classification folder into a model store.

DIR is what save_pretrained() wrote for a model and its tokenizer, or what
'hf download NAME --local-dir DIR' left: config.json, model.safetensors and tokenizer.json (or
vocab.txt). The network must be one of transformers' own ...ForSequenceClassification with one label
of several, the tokenizer BERT's WordPiece: the families BERT, DistilBERT, ELECTRA, MiniLM. Nothing
is downloaded, and no code of the folder is run: pickled weights and models with code of their own
are refused.

The network is traced to TorchScript, which is compared with transformers on several shapes, and
imported with the tokenizer as the next version of the model; its labels are those of id2label. A
service then names it, 'runners: {feeling: {model: "NAME:latest"}}', and a step calls it with a
text: feeling(text). Its outputs are label, score (the label's probability) and scores (all of
them, in the order of the labels).

For instance:
  scripts/import_transformers ~/models/toxicity --name toxicity --example "You are welcome."
  tiffin models show toxicity
"""

import argparse
import json
import pathlib
import re
import shutil
import sys

from models import hugging_face
from models.cache import ROOT
from models.console import Problem, say
from tiffin.store import Store
from tiffin.transformers import EXAMPLE


def default_tiffin():
    built = ROOT / "build/release/bin/tiffin"
    return built if built.is_file() else pathlib.Path(shutil.which("tiffin") or built)


def name_of(folder):
    name = re.sub(r"[^a-z0-9]+", "_", folder.resolve().name.lower()).strip("_")
    return re.sub(r"^(?=[0-9])", "model_", name)


def metadata_of(texts):
    metadata = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not key or not separator:
            raise Problem(f"--metadata {text}: write key=value, as in 'license=MIT'")
        try:
            metadata[key] = json.loads(value)
        except ValueError:
            metadata[key] = value
    return metadata


def parse_arguments():
    summary, _, explanation = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="import_transformers", description=summary, epilog=explanation,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR", type=pathlib.Path)
    parser.add_argument("--name", help="the model's name in the store (default: the folder's)")
    parser.add_argument("--store", type=pathlib.Path,
                        help="the store (default: $TIFFIN_STORE or ~/.tiffin/models)")
    parser.add_argument("--tiffin", type=pathlib.Path, default=default_tiffin(),
                        help="the program that imports (default: the release build's)")
    parser.add_argument("--worker-dir", type=pathlib.Path,
                        help="where the worker programs are (default: beside that program)")
    parser.add_argument("--max-length", type=int, metavar="N",
                        help="the longest text, in tokens; what is longer is cut "
                             "(default: the model's own limit)")
    parser.add_argument("--metadata", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
                        help="to keep with the model: a license, a source, an accuracy")
    parser.add_argument("--example", default=EXAMPLE, metavar="TEXT",
                        help="a text, kept with the model as its example")
    return parser.parse_args()


def main():
    args = parse_arguments()
    name = args.name or name_of(args.folder)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise Problem(
            f"'{name}' can't be a model's name: it must be small letters, digits and _, a letter "
            "first; give one by --name")
    metadata = metadata_of(args.metadata)
    store = Store(args.store, tiffin=args.tiffin, worker_dir=args.worker_dir)

    classifier = hugging_face.load(args.folder, args.max_length)
    labels = classifier.labels
    say(f"{args.folder}: {type(classifier.network).__name__}, labels {', '.join(labels)}, texts of "
        f"up to {classifier.max_length} tokens")
    if all(re.fullmatch(r"LABEL_\d+", label) for label in labels):
        say("  (these are transformers' placeholders; set id2label in config.json to have names)")
    saved, difference = hugging_face.save_classifier(
        name, classifier, example=args.example, metadata=metadata, store=store)
    say(f"traced to TorchScript: logits differ by at most {difference:.1g} from transformers'")
    say(f"imported {saved.reference}")
    for line in store.describe(saved.reference).splitlines()[1:]:
        say(line)
    scores = hugging_face.classify(classifier, args.example)
    best = max(range(len(scores)), key=scores.__getitem__)
    say(f"by transformers '{args.example}' is {labels[best]} {scores[best]:.2f}")


if __name__ == "__main__":
    try:
        main()
    except Problem as problem:
        print(f"import_transformers: {problem}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
