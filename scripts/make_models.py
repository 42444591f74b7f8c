"""Trains the two models of the digits example and imports them into a model store.

Both learn from scikit-learn's digits, on pixels as the example's preprocessing makes them from an
8-bit image, and both must reach a mark on a fifth that they never saw. Besides the models this
leaves some images of that fifth, and what both models answer to them in Python, to compare with.
Does nothing where all of that is there already, made by the same script and packages.
"""

import argparse
import fcntl
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SEED = 20240229
XGBOOST_MARK = 0.95
TORCH_MARK = 0.97
PIXEL_SCALE = 0.0625  # The `scale` of the example's preprocessing.
IMAGE_SIDE = 64
MODELS = ("digits_xgboost", "digits_torch")
SOURCE = (
    "E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine "
    "Learning Repository, doi:10.24432/C50P49; its test set, as scikit-learn ships it"
)


def say(text):
    print(f"make_models: {text}", flush=True)


def inputs_hash():
    """What the models are made from: this script and the pinned packages."""
    digest = hashlib.sha256()
    for path in (pathlib.Path(__file__), ROOT / "scripts" / "requirements.txt"):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def is_made(args, made_from):
    """True if the store has both models, and the expectations are of the same making."""
    try:
        expected = json.loads(args.expected.read_text())
    except (OSError, ValueError):
        return False
    if expected["made_from"] != made_from:
        return False
    if not all((args.images / name).is_file() for name in expected["images"]):
        return False
    for name in MODELS:
        shown = subprocess.run(
            [args.tiffin, "models", "show", name, "--json", "--store", args.store],
            capture_output=True,
        )
        if shown.returncode != 0:
            return False
        if json.loads(shown.stdout)["metadata"].get("made_from") != made_from:
            return False
    return True


def pixels_of(digits):
    """The 8-bit gray values that the digits' 0..16 become in an image."""
    import numpy

    return numpy.clip(digits * 16, 0, 255).astype(numpy.uint8)


def features_of(pixels):
    """What preprocessing makes of those pixels: fp32[64], rows first."""
    import numpy

    return pixels.reshape(-1, 64).astype(numpy.float32) * numpy.float32(PIXEL_SCALE)


def load_digits():
    """Pixels and labels to learn from, then those held out."""
    from sklearn.datasets import load_digits as load
    from sklearn.model_selection import train_test_split

    digits, labels = load(return_X_y=True)
    return train_test_split(
        pixels_of(digits), labels, test_size=0.2, stratify=labels, random_state=SEED
    )


def train_xgboost(features, labels, path):
    import xgboost

    booster = xgboost.train(
        {
            "objective": "multi:softprob",
            "num_class": 10,
            "max_depth": 5,
            "eta": 0.2,
            "subsample": 0.8,
            "colsample_bytree": 0.5,
            "seed": SEED,
            "nthread": 1,
        },
        xgboost.DMatrix(features, labels),
        num_boost_round=100,
    )
    booster.save_model(path)


def xgboost_scores(path, features):
    import xgboost

    booster = xgboost.Booster(model_file=path)
    booster.set_param({"nthread": 1})
    return booster.inplace_predict(features)


def make_network():
    import torch

    class Digits(torch.nn.Module):
        """fp32[rows, 64] -> the probability of each digit, fp32[rows, 10]."""

        def __init__(self):
            super().__init__()
            self.layers = torch.nn.Sequential(
                torch.nn.Conv2d(1, 16, 3, padding=1),
                torch.nn.ReLU(),
                torch.nn.Conv2d(16, 32, 3, padding=1),
                torch.nn.ReLU(),
                torch.nn.MaxPool2d(2),
                torch.nn.Flatten(),
                torch.nn.Linear(512, 64),
                torch.nn.ReLU(),
                torch.nn.Dropout(0.3),
                torch.nn.Linear(64, 10),
            )

        def logits(self, features: torch.Tensor) -> torch.Tensor:
            return self.layers(features.view(-1, 1, 8, 8) / 16.0)

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return torch.softmax(self.logits(features), dim=1)

    return Digits()


def train_torch(features, labels, path, epochs=40, batch=64):
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(SEED)
    network = make_network()
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    batches = -(-len(labels) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=4e-3, total_steps=epochs * batches
    )
    features, labels = torch.from_numpy(features), torch.from_numpy(labels)
    for epoch in range(epochs):
        for rows in torch.randperm(len(labels)).split(batch):
            loss = torch.nn.functional.cross_entropy(network.logits(features[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        if (epoch + 1) % 10 == 0:
            say(f"  epoch {epoch + 1} of {epochs}, loss {loss.item():.4f}")
    network.eval()
    torch.jit.script(network).save(str(path))


def torch_scores(path, features):
    import torch

    torch.set_num_threads(1)
    network = torch.jit.load(str(path))
    with torch.inference_mode():
        # Row by row, as one request at a time is served.
        return torch.cat([network(torch.from_numpy(row[None])) for row in features]).numpy()


def check_mark(name, scores, labels, mark):
    accuracy = float((scores.argmax(axis=1) == labels).mean())
    say(f"{name}: {accuracy:.4f} of the held-out digits right (the mark is {mark})")
    if accuracy < mark:
        sys.exit(f"make_models: {name} is below its mark")
    return accuracy


def import_model(args, name, path, metadata, example):
    """Runs `tiffin models import`, which loads the model and runs the example."""
    command = [args.tiffin, "models", "import", name, path, "--store", args.store]
    command += ["--input", "features:fp32[64]", "--output", "scores:fp32[10]"]
    command += ["--labels", ",".join(str(digit) for digit in range(10))]
    command += ["--example", "@" + str(example)]
    for key, value in metadata.items():
        command += ["--metadata", f"{key}={json.dumps(value)}"]
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)


def choose_images(labels, scores):
    """File name -> row: the first held-out image of each digit, and one in dispute if there is."""
    rows = {f"digit_{digit}.png": int((labels == digit).argmax()) for digit in range(10)}
    answers = [of_model.argmax(axis=1) for of_model in scores.values()]
    disputed = (answers[0] != answers[1]).nonzero()[0]
    if len(disputed) > 0:
        rows["disputed.png"] = int(disputed[0])
    return rows


def write_images(folder, pixels, rows):
    """Enlarged without smoothing, so that averaging gives back the very same pixels."""
    import numpy
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    block = numpy.ones((IMAGE_SIDE // 8, IMAGE_SIDE // 8), numpy.uint8)
    for name, row in rows.items():
        Image.fromarray(numpy.kron(pixels[row].reshape(8, 8), block)).save(folder / name)


def write_expected(path, made_from, rows, features, labels, scores):
    images = {
        name: {
            "label": int(labels[row]),
            "features": features[row].tolist(),
            **{model: of_model[row].tolist() for model, of_model in scores.items()},
        }
        for name, row in rows.items()
    }
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"made_from": made_from, "images": images}, indent=1))
    partial.rename(path)


def make(args, made_from):
    from importlib.metadata import version

    train_pixels, pixels, train_labels, labels = load_digits()
    train_features, features = features_of(train_pixels), features_of(pixels)
    say(f"{len(train_labels)} digits to learn from, {len(labels)} held out")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        files = {"digits_xgboost": folder / "model.ubj", "digits_torch": folder / "model.pt"}
        say("training XGBoost")
        train_xgboost(train_features, train_labels, files["digits_xgboost"])
        say("training a small convolutional network")
        train_torch(train_features, train_labels, files["digits_torch"])

        scores = {
            "digits_xgboost": xgboost_scores(files["digits_xgboost"], features),
            "digits_torch": torch_scores(files["digits_torch"], features),
        }
        marks = {"digits_xgboost": XGBOOST_MARK, "digits_torch": TORCH_MARK}
        packages = {"digits_xgboost": "xgboost-cpu", "digits_torch": "torch"}
        accuracies = {
            name: check_mark(name, scores[name], labels, marks[name]) for name in MODELS
        }
        example = folder / "example.json"
        example.write_text(json.dumps({"features": features[0].tolist()}))
        for name in MODELS:
            metadata = {
                "accuracy": round(accuracies[name], 4),
                "held_out": len(labels),
                "trained_on": len(train_labels),
                "source": SOURCE,
                "made_with": f"{packages[name]} {version(packages[name])}",
                "made_from": made_from,
            }
            import_model(args, name, files[name], metadata, example)
            say(f"imported {name} into {args.store}")
    rows = choose_images(labels, scores)
    write_images(args.images, pixels, rows)
    write_expected(args.expected, made_from, rows, features, labels, scores)
    say(f"wrote {len(rows)} held-out images to {args.images}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--tiffin", type=pathlib.Path, default=ROOT / "build/release/bin/tiffin",
        help="the program that imports (default: the release build's)",
    )
    parser.add_argument("--store", type=pathlib.Path, default=ROOT / "build/models")
    parser.add_argument("--images", type=pathlib.Path, default=ROOT / "build/images")
    args = parser.parse_args()
    args.expected = args.store / "digits_expected.json"
    if shutil.which(str(args.tiffin)) is None:
        sys.exit(f"make_models: no program {args.tiffin}; build it first, or name it by --tiffin")

    started = time.monotonic()
    made_from = inputs_hash()
    args.store.mkdir(parents=True, exist_ok=True)
    with open(args.store / ".make_models.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_made(args, made_from):
            say(f"the models in {args.store} are up to date")
            return
        make(args, made_from)
    say(f"done in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"make_models: '{' '.join(map(str, error.cmd[:4]))}' failed")
