"""Calls the digits service with images by stubs made from its own .proto files, and draws what
happened when.

Everything here is what any client can do: `tiffin check --proto` writes the .proto files, protoc
makes the stubs, and the metadata `tiffin-timing: 1` asks for the times of the steps.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys

import grpc

WIDTH = 56  # Columns of a timeline.


def import_stubs(args):
    """The modules of the service, made anew."""
    shutil.rmtree(args.stubs, ignore_errors=True)
    protos, modules = args.stubs / "protos", args.stubs / "modules"
    modules.mkdir(parents=True)
    subprocess.run(
        [args.tiffin, "check", args.service, "--store", args.store, "--proto", protos], check=True,
        stdout=subprocess.DEVNULL)
    files = [str(file.relative_to(protos)) for file in sorted(protos.rglob("*.proto"))]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={protos}",
         f"--python_out={modules}", f"--grpc_python_out={modules}", *files], check=True)
    sys.path.insert(0, str(modules))
    # pylint: disable=import-outside-toplevel
    from tiffin.services.inference_graph_demo import service_pb2, service_pb2_grpc

    return service_pb2, service_pb2_grpc


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiffin", required=True, help="the program")
    parser.add_argument("--service", required=True, help="the service file")
    parser.add_argument("--store", required=True, help="the model store")
    parser.add_argument("--stubs", required=True, type=pathlib.Path, help="a folder for them")
    parser.add_argument("address", help="where the service is")
    parser.add_argument("images", type=pathlib.Path, help="a folder of images")
    args = parser.parse_args()

    messages, services = import_stubs(args)
    images = sorted(path for path in args.images.iterdir() if path.suffix in (".png", ".jpg"))
    if not images:
        sys.exit(f"demo: no images in {args.images}")
    with grpc.insecure_channel(args.address) as channel:
        stub = services.InferenceGraphDemoStub(channel)
        for image in images:
            request = messages.PredictRequest(input_image=image.read_bytes())
            reply, call = stub.Predict.with_call(
                request, timeout=30,
                metadata=[("tiffin-timing", "1"), ("x-request-id", f"demo-{image.stem}")])
            timing = json.loads(dict(call.trailing_metadata())["tiffin-timing"])
            print(f"\n{image.name}: {reply.verdict}    [{timing['total_us'] / 1000:.2f} ms]")
            draw(timing)
    print(f"\n{len(images)} images answered")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except grpc.RpcError as error:
        sys.exit(f"demo: the call failed: {error.code().name}: {error.details()}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"demo: '{' '.join(map(str, error.cmd[:3]))} ...' failed, see above")
