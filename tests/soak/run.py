"""Mixed traffic on both example services while workers are killed. `scripts/soak` builds and calls
this.

Every answer must be right, every bad request must be refused with the right code, no call may hang,
and in the end the server holds no more than after the warm-up, and nothing of any call.
"""

import argparse
import collections
import dataclasses
import json
import os
import pathlib
import random
import statistics
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def parse_args():
    parser = argparse.ArgumentParser(
        prog="scripts/soak",
        description="Mixed traffic on both example services while workers are killed: answers, "
                    "codes, memory, descriptors. Exits 1 if anything is off.")
    parser.add_argument("--seconds", type=float, default=600, metavar="S",
                        help="of traffic, the warm-up (a quarter) among them; default: 600")
    parser.add_argument("--seed", type=int, metavar="N",
                        help="what chance begins with; default: another each time, printed")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the result there")
    parser.add_argument("--bin", type=pathlib.Path, metavar="DIR",
                        default=ROOT / "build/release/bin",
                        help="soak these programs, and build none")
    args = parser.parse_args()
    if args.seconds <= 0:
        parser.error("--seconds must be positive")
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(1 << 32)
    return args


ARGS = parse_args()
# The harness looks there when it is imported.
os.environ["TIFFIN_BIN_DIR"] = str(ARGS.bin.resolve())
sys.path += [str(ROOT / "tests/integration"), str(ROOT / "tests/bench")]

# pylint: disable=wrong-import-position
import fixtures  # noqa: E402
import harness  # noqa: E402
from observe import MIB, Held, Killer, Sampler, descendants, settle  # noqa: E402
from traffic import (CLASSIFY, FEEL, PREDICT, RATES, Clients, Question, Tally,  # noqa: E402
                     Traffic, ask)

WARM_UP = 0.25  # Of all seconds.
# From here on the warm-up's end waits for its segments to go, too, which takes 10 s.
LONG_S = 60
KILL_EVERY_S = 3
# More than it held after the warm-up. An engine's allocators keep what odd inputs made them take.
GATEWAY_MOST_MORE = Held(8 * MIB + harness.REMEMBERED, 2, 2)
# After a short warm-up its heap has not yet the size that this traffic takes (about 29 MiB).
SHORT_GATEWAY_MOST_MORE = Held(24 * MIB + harness.REMEMBERED, 2, 2)
WORKERS_MOST_MORE = Held(32 * MIB + harness.REMEMBERED, 2, 2)
# The labels that two of the images should have.
FELT = {"plain.png": "POSITIVE", "serif.png": "NEGATIVE"}
SENTENCES = ("A warm and funny film.", "The soup was cold and the waiter was slow.")


def learn(server):
    """The questions, with what the server answers before there is any load; and what is wrong."""
    questions, faults = [], []

    def learn_one(model, content, label):
        answer = ask(server, Question(model, content, ""))
        if label not in answer:
            faults.append(f"before the load: '{answer}', which should say '{label}'")
        questions.append(Question(model, content, answer))

    expected = json.loads((harness.MODELS / "digits_expected.json").read_text())["images"]
    for name, image in expected.items():
        learn_one(PREDICT, (harness.IMAGES / name).read_bytes(), str(image["label"]))
    for name, label in FELT.items():
        learn_one(CLASSIFY, (harness.TEXT_IMAGES / name).read_bytes(), label)
    for sentence, label in zip(SENTENCES, ("POSITIVE", "NEGATIVE"), strict=True):
        learn_one(FEEL, sentence, label)
    return questions, faults


def soak_once(clients, server, random_of, seconds, tallies):
    """Returns the killer and the sampler."""
    with Sampler(server) as sampler, Killer(server, random_of("killer"), KILL_EVERY_S) as killer, \
            Traffic(clients, tallies, random_of, seconds):
        pass
    return killer, sampler


def growth(start, end, gateway_most_more):
    """What is held beyond the bounds, in words."""
    faults = []
    if start.keys() != end.keys():
        faults.append(f"other processes than before: {sorted(end)}, not {sorted(start)}")
    for name in start.keys() & end.keys():
        more = gateway_most_more if name == "gateway" else WORKERS_MOST_MORE
        for field in dataclasses.fields(Held):
            before, after, bound = (getattr(held, field.name)
                                    for held in (start[name], end[name], more))
            if after > before + bound:
                faults.append(f"{name}: {field.name} grew from {before} to {after}")
    return faults


def run(server, seed, seconds):
    def random_of(name):
        return random.Random(f"{seed} {name}")

    questions, faults = learn(server)
    clients = Clients(server, questions)
    warm_up = {kind: Tally() for kind in RATES}
    tallies = {kind: Tally() for kind in RATES}
    soak_once(clients, server, lambda name: random_of(f"warm-up {name}"), seconds * WARM_UP,
              warm_up)
    start = settle(server, segments=seconds >= LONG_S)
    processes = 1 + descendants(server)
    killer, sampler = soak_once(clients, server, random_of, seconds * (1 - WARM_UP), tallies)
    end = settle(server, segments=True)

    for phase in warm_up, tallies:
        for kind, tally in phase.items():
            if tally.wrong or tally.hanging:
                faults.append(f"{kind}: {tally.wrong} wrong, {tally.hanging} hanging: "
                              + "; ".join(tally.faults))
    faults += [f"{kind}: nothing was sent" for kind, tally in tallies.items() if not tally.sent]
    if killer.fault:
        faults.append(killer.fault)
    if not killer.recoveries:
        faults.append("no worker was killed: too short")
    if 1 + descendants(server) != processes:
        faults.append(f"{1 + descendants(server)} processes, and {processes} after the warm-up")
    for question in questions:
        if not question.is_answered_by(ask(server, question)):
            faults.append(f"after the load {question.model} no longer says '{question.answer}'")
    most_more = GATEWAY_MOST_MORE if seconds >= LONG_S else SHORT_GATEWAY_MOST_MORE
    faults += growth(start, end, most_more)
    return result_of(tallies, killer, sampler, start, end, processes, faults)


def result_of(tallies, killer, sampler, start, end, processes, faults):
    return {
        "traffic": {kind: {"sent": tally.sent, "ok": tally.codes.get("OK", 0),
                           "codes": tally.codes, "wrong": tally.wrong, "hanging": tally.hanging}
                    for kind, tally in tallies.items()},
        "kills": {name: {"count": len(times), "median_s": statistics.median(times),
                         "max_s": max(times)}
                  for name, times in sorted(killer.recoveries.items())},
        "held": {name: {when: dataclasses.asdict(held[name])
                        for when, held in (("start", start), ("max", sampler.most), ("end", end))
                        if name in held}
                 for name in start},
        "segments_max": sampler.segments,
        "processes": {"start": processes, "max": sampler.processes},
        "faults": faults,
    }


def print_result(result):
    print(f"\n{'traffic':<10} {'sent':>7} {'ok':>7} {'wrong':>6} {'hanging':>8}  by code")
    for kind, row in result["traffic"].items():
        codes = ", ".join(f"{code} {count}" for code, count in sorted(row["codes"].items()))
        print(f"{kind:<10} {row['sent']:>7} {row['ok']:>7} {row['wrong']:>6} {row['hanging']:>8}  "
              f"{codes}")
    print(f"\n{'killed':<36} {'times':>6} {'ready again, median s':>22} {'max s':>6}")
    for name, row in result["kills"].items():
        print(f"{name:<36} {row['count']:>6} {row['median_s']:>22.2f} {row['max_s']:>6.2f}")
    print(f"\n{'start / max / end':<36} {'memory, MiB':>24} {'descriptors':>16} {'threads':>14}")
    for name, row in result["held"].items():
        held = collections.defaultdict(list)
        for when in ("start", "max", "end"):
            for field, value in row.get(when, {}).items():
                held[field].append(f"{value / MIB:.1f}" if field == "memory" else str(value))
        print(f"{name:<36} {' / '.join(held['memory']):>24} {' / '.join(held['descriptors']):>16} "
              f"{' / '.join(held['threads']):>14}")
    print(f"\nsegments: {result['segments_max'] / MIB:.1f} MiB at most, none in the end; processes:"
          f" {result['processes']['start']}, {result['processes']['max']} at most")


def main():
    print(f"seed {ARGS.seed} (to repeat it: --seed {ARGS.seed}), {ARGS.seconds:g} s", flush=True)
    services = [harness.DIGITS_SERVICE, harness.SENTIMENT_SERVICE]
    try:
        with tempfile.TemporaryDirectory(prefix="tiffin-soak-") as folder:
            fixtures.generate_stubs(pathlib.Path(folder), *services)
            with harness.Server(*services, args=["--http-address", "127.0.0.1:0"]) as server:
                result = run(server, ARGS.seed, ARGS.seconds)
    except AssertionError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    if ARGS.json:
        ARGS.json.write_text(json.dumps({"seed": ARGS.seed, "seconds": ARGS.seconds, **result},
                                        indent=2) + "\n")
    print_result(result)
    for fault in result["faults"]:
        print(f"soak: {fault}", file=sys.stderr)
    print("nothing was lost" if not result["faults"] else f"{len(result['faults'])} faults")
    return 1 if result["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
