"""The two models of the digits example.

Both learn from scikit-learn's digits, on pixels as the example's preprocessing makes them from an
8-bit image, and both must reach a mark on a fifth that they never saw. Besides the models this
leaves some images of that fifth, and what both models answer to them in Python, to compare with.
"""

import pathlib
import tempfile
from importlib.metadata import version

from models import cache
from models.console import Problem, say
from models.made import write_json

MODELS = ("digits_xgboost", "digits_torch")
EXPECTED = "digits_expected.json"
PACKAGES = ("numpy", "pillow", "scikit-learn", "torch", "xgboost-cpu")
SEED = 20240229
FOLDER = None
MARKS = {"digits_xgboost": 0.95, "digits_torch": 0.97}
ENGINES = {"digits_xgboost": "xgboost-cpu", "digits_torch": "torch"}
PIXEL_SCALE = 0.0625  # The `scale` of the example's preprocessing.
IMAGE_SIDE = 64
SOURCE = (
    "E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine "
    "Learning Repository, doi:10.24432/C50P49; its test set, as scikit-learn ships it"
)


def made_from():
    return cache.key(("digits", cache.PACKAGE / "store"), PACKAGES)


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


def check_mark(name, scores, labels):
    accuracy = float((scores.argmax(axis=1) == labels).mean())
    say(f"{name}: {accuracy:.4f} of the held-out digits right (the mark is {MARKS[name]})")
    if accuracy < MARKS[name]:
        raise Problem(f"{name} is below its mark")
    return round(accuracy, 4)


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


def answers_of(rows, features, labels, scores):
    return {
        name: {
            "label": int(labels[row]),
            "features": features[row].tolist(),
            **{model: of_model[row].tolist() for model, of_model in scores.items()},
        }
        for name, row in rows.items()
    }


def make(store, images):
    made_as = made_from()
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
        accuracies = {name: check_mark(name, scores[name], labels) for name in MODELS}
        for name in MODELS:
            metadata = {
                "accuracy": accuracies[name],
                "held_out": len(labels),
                "trained_on": len(train_labels),
                "source": SOURCE,
                "made_with": f"{ENGINES[name]} {version(ENGINES[name])}",
                "made_from": made_as,
            }
            store.import_model(
                name, [files[name]], inputs={"features": "fp32[64]"},
                outputs={"scores": "fp32[10]"},
                labels=[str(digit) for digit in range(10)],
                example={"features": features[0].tolist()}, metadata=metadata)
            say(f"imported {name} into {store.folder}")
    rows = choose_images(labels, scores)
    write_images(images, pixels, rows)
    write_json(store.folder / EXPECTED, {
        "made_from": made_as,
        "images": answers_of(rows, features, labels, scores),
    })
    say(f"wrote {len(rows)} held-out images to {images}")
