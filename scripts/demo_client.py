"""Calls the example services with images, by stubs made from their own .proto files, and draws what
happened when.

Everything here is what any client can do: `tiffin check --proto` writes the .proto files, protoc
makes the stubs, and the metadata `tiffin-timing: 1` asks for the times of the steps.
"""

import argparse
import dataclasses
import importlib
import json
import pathlib
import shutil
import subprocess
import sys

import grpc

WIDTH = 56  # Columns of a timeline.


@dataclasses.dataclass
class Example:
    """A service with one API, from an image to a text."""

    service: str
    stub: str
    method: str
    request: str
    image: str  # A field of the request.
    answer: str  # A field of the reply.
    images: str  # A folder, below that of all images.


EXAMPLES = (
    Example("inference_graph_demo", "InferenceGraphDemoStub", "Predict", "PredictRequest",
            "input_image", "verdict", images="digits"),
    Example("sentiment_analysis", "SentimentAnalysisStub", "Classify", "ClassifyRequest",
            "image", "text", images="sentiment"),
)


def make_stubs(args):
    """Makes the modules of all services anew, where Python finds them."""
    shutil.rmtree(args.stubs, ignore_errors=True)
    protos, modules = args.stubs / "protos", args.stubs / "modules"
    modules.mkdir(parents=True)
    subprocess.run(
        [args.tiffin, "check", *args.services, "--store", args.store, "--proto", protos],
        check=True, stdout=subprocess.DEVNULL)
    files = [str(file.relative_to(protos)) for file in sorted(protos.rglob("*.proto"))]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={protos}",
         f"--python_out={modules}", f"--grpc_python_out={modules}", *files], check=True)
    sys.path.insert(0, str(modules))


def draw(timing):
    """A line for each step: when it ran, within the whole time of the request. Steps that ran at
    the same time stand below one another."""
    total = max(timing["total_us"], 1)
    block = "█" if (sys.stdout.encoding or "").lower().startswith("utf") else "#"
    rows = [(step["name"], step["runner"] or "(function)", step) for step in timing["steps"]]
    names = max(len(name) for name, _, _ in rows)
    runners = max(len(runner) for _, runner, _ in rows)
    for name, runner, step in rows:
        first = min(WIDTH - 1, step["start_us"] * WIDTH // total)
        last = min(WIDTH, max(first + 1, -(-step["end_us"] * WIDTH // total)))
        bar = "." * first + block * (last - first) + "." * (WIDTH - last)
        took = step["end_us"] - step["start_us"]
        print(f"    {name:{names}}  {runner:{runners}}  {bar}  {took:6} us")


def call(example, channel, folder):
    """Sends each image of a folder to the service, and shows its answer."""
    module = f"tiffin.services.{example.service}.service_pb2"
    request_type = getattr(importlib.import_module(module), example.request)
    stub = getattr(importlib.import_module(f"{module}_grpc"), example.stub)(channel)
    images = sorted(path for path in folder.iterdir() if path.suffix in (".png", ".jpg"))
    if not images:
        sys.exit(f"demo: no images in {folder}")
    print(f"\n{example.service}")
    for image in images:
        reply, answered = getattr(stub, example.method).with_call(
            request_type(**{example.image: image.read_bytes()}), timeout=30,
            metadata=[("tiffin-timing", "1"), ("x-request-id", f"demo-{image.stem}")])
        timing = json.loads(dict(answered.trailing_metadata())["tiffin-timing"])
        answer = getattr(reply, example.answer)
        print(f"\n{image.name}: {answer}    [{timing['total_us'] / 1000:.2f} ms]")
        draw(timing)
    print(f"\n{len(images)} images answered")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiffin", required=True, help="the program")
    parser.add_argument("--store", required=True, help="the model store")
    parser.add_argument("--stubs", required=True, type=pathlib.Path, help="a folder for them")
    parser.add_argument("--images", required=True, type=pathlib.Path, help="a folder of images")
    parser.add_argument("address", help="where the services are")
    parser.add_argument("services", nargs="+", help="their files")
    args = parser.parse_args()

    make_stubs(args)
    with grpc.insecure_channel(args.address) as channel:
        for example in EXAMPLES:
            call(example, channel, args.images / example.images)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except grpc.RpcError as error:
        sys.exit(f"demo: the call failed: {error.code().name}: {error.details()}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"demo: '{' '.join(map(str, error.cmd[:3]))} ...' failed, see above")
