#!/usr/bin/env python3
"""Two builds of Firesteel, run in turn: what changed, and whether that is more than noise.

  tools/bench_compare.py BASE HEAD [--rounds 9] [--json] -- BENCH_ARGUMENTS...
  tools/bench_compare.py build/base/firesteel build/release/firesteel -- --model llama-1b-Q4_0.gguf --threads 2 --prompt 512 --generate 64

Each round runs `BASE bench --json -r 1 ARGUMENTS` and the same of HEAD, in an order that changes from round to round, so that a machine that
warms up, or is disturbed for a while, favours neither. For each measure: both medians, the median of the rounds' ratios HEAD / BASE (for times and memory BASE /
HEAD: above 1 is always better), and an interval that holds the true median ratio with 95 % confidence (order statistics, no assumption
about the noise). A verdict other than "same" needs the whole interval on one side of 1. Exit code: 0; 1 when HEAD is worse somewhere; 2 usage.
"""
import argparse
import json
import math
import statistics
import subprocess
import sys

SMALLER_IS_BETTER = ("s", "ms", "us", "MiB", "B")


def run(program, arguments):
    done = subprocess.run([program, "bench", "--json", "-r", "1"] + arguments, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.exit("%s bench failed:\n%s" % (program, done.stderr[-2000:]))
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


def median_interval(values, confidence=0.95):
    """The narrowest pair of order statistics, equally far from both ends, between which the median lies with that confidence; the
    whole range when there are too few values for it (fewer than 6)."""
    ordered, n = sorted(values), len(values)
    low = 0
    for k in range(n // 2):
        outside = 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n  # the median is below the k-th or above its mirror image
        if 1 - outside < confidence:
            break
        low = k
    return ordered[low], ordered[n - 1 - low]


def verdict(low, high):
    return "better" if low > 1 else "worse" if high < 1 else "same"


def compare(base_runs, head_runs):
    rows = []
    for name in base_runs[0]:
        if name not in head_runs[0]:
            continue
        base, head = [run[name]["median"] for run in base_runs], [run[name]["median"] for run in head_runs]
        smaller = base_runs[0][name]["unit"] in SMALLER_IS_BETTER
        ratios = [(b / h if smaller else h / b) for b, h in zip(base, head) if b > 0 and h > 0]
        if not ratios:
            continue
        low, high = median_interval(ratios)
        rows.append({"name": name, "unit": base_runs[0][name]["unit"], "base": statistics.median(base), "head": statistics.median(head),
                     "ratio": statistics.median(ratios), "low": low, "high": high, "rounds": len(ratios), "verdict": verdict(low, high)})
    return rows


def self_test():
    assert median_interval([3.0, 1.0, 2.0]) == (1.0, 3.0)
    assert median_interval(list(range(1, 7))) == (1, 6) and median_interval(list(range(1, 10))) == (2, 8)  # 97 %, 96 %: tables of the sign test
    assert median_interval(list(range(1, 21))) == (6, 15)
    assert verdict(1.01, 1.2) == "better" and verdict(0.9, 0.99) == "worse" and verdict(0.99, 1.3) == "same"
    made = lambda rate, time: {"a": {"median": rate, "unit": "tok/s"}, "b": {"median": time, "unit": "ms"}}
    rows = compare([made(10, 20)] * 7, [made(12, 25)] * 7)
    assert [(row["ratio"], row["verdict"]) for row in rows] == [(1.2, "better"), (0.8, "worse")], rows
    print("self-test passed")


def main():
    arguments = sys.argv[1:]
    if arguments == ["--self-test"]:
        return self_test()
    own, bench = (arguments[:arguments.index("--")], arguments[arguments.index("--") + 1:]) if "--" in arguments else (arguments, [])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("head")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true", help="one JSON object per measure")
    args = parser.parse_args(own)
    if args.rounds < 1 or not bench:
        parser.error("expected at least one round, and arguments of `firesteel bench` after --")
    runs = {args.base: [], args.head: []} if args.base != args.head else None
    if runs is None:
        parser.error("expected two different programs")
    for number in range(args.rounds):
        for program in ((args.base, args.head), (args.head, args.base))[number % 2]:
            runs[program].append(run(program, bench))
        print("round %d of %d" % (number + 1, args.rounds), file=sys.stderr)
    rows = compare(runs[args.base], runs[args.head])
    for row in rows:
        if args.json:
            print(json.dumps(row))
        else:
            print("%-44s %10.4g -> %10.4g %-6s x %.3f (%.3f-%.3f)  %s" % (row["name"], row["base"], row["head"], row["unit"], row["ratio"], row["low"], row["high"], row["verdict"]))
    return 1 if any(row["verdict"] == "worse" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
