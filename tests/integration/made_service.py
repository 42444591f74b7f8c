"""What `tiffin new` has made, and the commands that it tells."""

import os
import re
import sys

import harness


def make(folder, name, *flags, program=harness.TIFFIN):
    """Makes a service in `folder`, and gives what it said."""
    made = harness.run(program, "new", name, "--into", folder, *flags)
    assert made.returncode == 0, made.stderr
    return made.stdout


def environment(program=harness.TIFFIN, **more):
    """Has `tiffin` on the PATH."""
    return {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", **more}


def run_its_test(folder, **env):
    return harness.run(sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                       folder, env={**environment(), **env})


def block(folder, heading, language="sh"):
    """The first block of a language below a heading of its README."""
    below = (folder / "README.md").read_text().partition(f"\n## {heading}\n")[2]
    return re.search(rf"^```{language}\n(.*?)^```$", below, re.M | re.S).group(1)


def serve(folder):
    """The server that its README starts."""
    line = re.search(r"^tiffin serve service\.yaml(.*?)(?: +#.*)?$", block(folder, "Run it"), re.M)
    flags = [folder / flag if (folder / flag).exists() else flag for flag in line[1].split()]
    return harness.Server(folder / "service.yaml", args=flags)


def follow(folder, script, server, program=harness.TIFFIN):
    """Runs lines of its README there, with the server's address."""
    env = environment(program)
    env["PATH"] += f":{harness.ROOT / 'build/tools'}"  # grpcurl
    script = script.replace("127.0.0.1:8001", server.address)
    made = harness.run("bash", "-euo", "pipefail", "-c", script, cwd=folder,
                       env={**env, "TIFFIN_ADDRESS": server.address})
    assert made.returncode == 0, made.stderr
    return made.stdout


def expect_that_it_works(folder, program=harness.TIFFIN):
    """Its file is good, its test passes, and the calls of its README are answered."""
    checks = [line for line in block(folder, "Run it").splitlines() if "tiffin check" in line]
    assert len(checks) == 1
    with serve(folder) as server:
        assert "predict(text: text) -> (label: text, sentence: text)" in follow(
            folder, checks[0], server, program)
        said = follow(folder, block(folder, "Call it"), server, program)
        assert said.count("good, by lovely") == 2, said  # tiffin call, and grpcurl.
        python = block(folder, "Call it", "python")
        made = harness.run(sys.executable, "-B", "-c",
                           python.replace("127.0.0.1:8001", server.address),
                           env={**os.environ, "PYTHONPATH": harness.ROOT / "common/python"})
        assert made.stdout == "good, by lovely\n", made.stderr
    tested = run_its_test(folder, TIFFIN=str(program))
    assert tested.returncode == 0, tested.stdout
    assert "4 passed" in tested.stdout
