"""Makes the models and images that the backends' unit tests read.

usage: make_fixtures.py DIRECTORY
"""

import io
import json
import math
import pathlib
import sys
import zipfile
from typing import Dict, List, NamedTuple, Tuple

import numpy as np
import torch
import xgboost as xgb
from PIL import Image
from sklearn.datasets import load_digits


def make_xgboost(out: pathlib.Path) -> None:
    digits = load_digits()
    data, target = digits.data.astype(np.float32), digits.target
    inputs = data[:5].copy()
    inputs[4, ::3] = np.nan  # Missing values.
    expected = {"inputs": [[None if math.isnan(v) else float(v) for v in row] for row in inputs]}

    def save(name: str, objective: str, labels: np.ndarray, **more) -> None:
        params = {"objective": objective, "max_depth": 3, "nthread": 1, "seed": 1, **more}
        booster = xgb.train(params, xgb.DMatrix(data, labels), num_boost_round=10)
        for form in ("json", "ubj"):
            booster.save_model(out / f"{name}.{form}")
        predicted = booster.predict(xgb.DMatrix(inputs))
        expected[name] = predicted.reshape(len(inputs), -1).astype(float).tolist()

    save("softprob", "multi:softprob", target, num_class=10)
    save("softmax", "multi:softmax", target, num_class=10)
    save("binary", "binary:logistic", target % 2)
    save("regression", "reg:squarederror", target)
    save("linear", "reg:squarederror", target, booster="gblinear", max_depth=None)
    (out / "expected.json").write_text(json.dumps(expected))
    whole = (out / "softprob.json").read_bytes()
    (out / "truncated.json").write_bytes(whole[: len(whole) // 2])
    whole = (out / "softprob.ubj").read_bytes()
    (out / "truncated.ubj").write_bytes(whole[: len(whole) // 2])
    (out / "empty.json").write_bytes(b"")
    (out / "other.json").write_text('{"a": [1, 2]}')


class Mlp(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(32, 10))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.layers(features), dim=1)


class Cnn(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.BatchNorm2d(8),
            torch.nn.ReLU(inplace=True), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
            torch.nn.Linear(128, 10))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.layers(features.reshape(-1, 1, 8, 8)), dim=1)


class WritesInput(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x.add_(1)
        return x * 2


class WritesView(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        half = x[:, :2]
        if bool(x.sum() > 0):
            half.mul_(0)
        return x + 1


class WritesInList(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        held: List[torch.Tensor] = [x, x + 1]
        for tensor in held:
            tensor.add_(1)
        return held[0] * 2


class WritesInSubmodule(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = WritesInput()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x.view(-1)).view(x.shape)


class Reads(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class TwoOutputs(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        return x.t().contiguous().t() * 2, x.argmax(dim=1)


class Named(NamedTuple):
    top: torch.Tensor
    rest: torch.Tensor


class NamedOutputs(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> Named:
        return Named(x[:, :1], x[:, 1:])


class DictOutputs(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> Dict[str, torch.Tensor]:
        return {"double": x * 2, "half": x / 2}


class TwoInputs(torch.nn.Module):
    def forward(self, ids: torch.Tensor, mask: torch.Tensor, scale: float = 3.0) -> torch.Tensor:
        return (ids - mask).float() * scale


class Lookup(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(10, 4)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.table(ids)


class Raises(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool(x.sum() > 100):
            raise ValueError("the sum is above 100")
        return x


class FailsInside(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool(x.sum() > 100):
            return x.view(7, 13)
        return x


class Counts(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.count = self.count + 1
        return x + self.count * 0


class SumsRows(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum(dim=0)


def make_torch(out: pathlib.Path) -> None:
    torch.manual_seed(1)
    torch.set_num_threads(1)
    inputs = torch.rand(5, 64)
    mlp, cnn = Mlp().eval(), Cnn().train()
    for _ in range(3):  # So that the normalisation has seen something.
        cnn(torch.rand(32, 64))
    cnn.eval()
    torch.jit.script(mlp).save(out / "scripted.pt")
    torch.jit.trace(cnn, inputs).save(out / "traced.pt")
    training = Mlp().train()
    training.load_state_dict(mlp.state_dict())
    torch.jit.script(training).save(out / "training.pt")
    with torch.no_grad():
        expected = {
            "inputs": inputs.tolist(), "scripted": mlp(inputs).tolist(),
            "traced": cnn(inputs).tolist()}
    (out / "expected.json").write_text(json.dumps(expected))

    for module in (WritesInput, WritesView, WritesInList, WritesInSubmodule, Reads, TwoOutputs,
                   NamedOutputs, DictOutputs, TwoInputs, Lookup, Raises, FailsInside, Counts,
                   SumsRows):
        torch.jit.script(module().eval()).save(out / f"{module.__name__}.pt")
    torch.jit.trace(WritesInput(), torch.zeros(1, 4)).save(out / "TracedWrites.pt")

    torch.save(mlp.state_dict(), out / "weights.pt")
    torch.export.save(torch.export.export(mlp, (inputs,)), str(out / "exported.pt2"))
    (out / "exported.pt2").rename(out / "exported.pt")
    whole = (out / "scripted.pt").read_bytes()
    (out / "truncated.pt").write_bytes(whole[: len(whole) // 2])
    (out / "empty.pt").write_bytes(b"")
    (out / "native.pt").write_bytes(whole)
    with zipfile.ZipFile(out / "native.pt", "a") as archive:
        archive.writestr("scripted/data/aotinductor/model/model.so", b"\x7fELF")


def make_images(out: pathlib.Path) -> None:
    gray = Image.fromarray((np.arange(64, dtype=np.uint8) * 4).reshape(8, 8))
    gray.save(out / "gray.png")
    gray.save(out / "gray.bmp")
    gray.save(out / "gray.gif")
    gray.save(out / "gray.tiff")
    color = Image.new("RGB", (3, 2), (200, 100, 50))
    color.putpixel((2, 1), (0, 0, 255))
    color.save(out / "color.png")
    color.save(out / "color.bmp")
    color.save(out / "color.webp", lossless=True)
    Image.new("L", (1, 1), 128).save(out / "one.png")

    deep = np.array([[0, 0x8080, 65535]], dtype=np.uint16)
    Image.fromarray(deep).save(out / "deep.png")

    clear = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    clear.putpixel((1, 0), (255, 0, 0, 255))
    clear.save(out / "alpha.png")
    clear.save(out / "alpha.webp", lossless=True)
    palette = Image.new("P", (2, 1), 0)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.putpixel((1, 0), 1)
    palette.save(out / "palette.png", transparency=0)

    # Left half white, right half black; shown turned by 90 degrees: the top white.
    turned = Image.new("L", (32, 16), 0)
    turned.paste(255, (0, 0, 16, 16))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.convert("RGB").save(out / "turned.jpg", exif=exif, quality=95)
    turned.convert("RGB").save(out / "turned.png", exif=exif)
    turned.save(out / "progressive.jpg", progressive=True)
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(out / "cmyk.jpg")

    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64), dtype=np.uint8))
    for form in ("png", "jpg", "webp", "bmp"):
        whole = io.BytesIO()
        noise.save(whole, {"jpg": "jpeg"}.get(form, form))
        data = whole.getvalue()
        (out / f"noise.{form}").write_bytes(data)
        (out / f"half.{form}").write_bytes(data[: len(data) // 2])
        (out / f"unfinished.{form}").write_bytes(data[:-2])
        (out / f"trailing.{form}").write_bytes(data + b"more")
    damaged = bytearray((out / "noise.png").read_bytes())
    for i in range(len(damaged) // 2, len(damaged) // 2 + 64):
        damaged[i] ^= 0x55
    (out / "damaged.png").write_bytes(damaged)

    Image.new("1", (10_000, 10_000), 1).save(out / "huge.png")
    Image.new("L", (10_000, 10_000), 1).save(out / "huge.jpg", quality=1)
    Image.new("1", (10_000, 10_000), 1).save(out / "huge.webp", lossless=True)
    lie = bytearray((out / "color.bmp").read_bytes())
    lie[18:26] = (100_000).to_bytes(4, "little") + (100_000).to_bytes(4, "little")
    (out / "huge.bmp").write_bytes(lie)
    lie = bytearray((out / "one.png").read_bytes())
    lie[16:20] = (0).to_bytes(4, "big")
    (out / "zero.png").write_bytes(lie)

    frames = [Image.new("RGB", (4, 4), (shade, 0, 0)) for shade in (10, 200)]
    for form in ("png", "webp"):
        frames[0].save(out / f"animated.{form}", save_all=True, append_images=frames[1:])


def main() -> None:
    directory = pathlib.Path(sys.argv[1])
    for name, make in (("xgboost", make_xgboost), ("torch", make_torch), ("image", make_images)):
        (directory / name).mkdir(parents=True, exist_ok=True)
        make(directory / name)


if __name__ == "__main__":
    main()
