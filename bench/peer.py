#!/usr/bin/env python3
"""Firesteel beside llama.cpp: the rows of docs/speed.md, in turn on one machine, and their ratios.

  bench/peer.py --models DIR --llama BIN [--npm DIR] [--rounds 7] [--out samples.jsonl] [ROW...]

DIR holds llama-1b-TYPE.gguf and qwen2-0.5b-TYPE.gguf (TYPE: Q4_0, Q4_K_M, Q8_0, f16; weights may be random), and moe-Q4_0.gguf for the rows
moe-* (qwen3moe: 12 layers, 1,024 wide, 16 heads of 64 and 4 of keys, 32 experts of 512, 4 chosen, 32,768 tokens). BIN holds llama-bench,
llama-batched-bench and llama-completion; --npm is a folder with node_modules/node-llama-cpp, a second build of the same engine.
A row begins with a file in large pages (`firesteel bench` sees to it), and the file is read before each round, because page caches
forget what was idle. A round runs ours once, then each peer once; what is compared is the ratio within a round. Every sample goes to
--out, one JSON object per line; `bench/peer.py --table samples.jsonl` prints the table again. Rows: see ROWS at the end of the file.

Nothing else should run meanwhile: rounds in which others had more than a tenth of the CPUs are left out of the table.
"""
import argparse
import json
import mmap
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import time

NPM_SCRIPT = """
import { getLlama } from 'node-llama-cpp';
const [model_path, threads, n] = process.argv.slice(2);
const llama = await getLlama({ gpu: false, build: 'never', maxThreads: +threads });
const model = await llama.loadModel({ modelPath: model_path, gpuLayers: 0 });
const context = await model.createContext({ contextSize: +n + 64, batchSize: 512, threads: +threads });
const sequence = context.getSequence();
const tokens = Array.from({ length: +n }, (_, i) => 1000 + (i * 7919) % 5000);
for (let round = 0; round < 2; ++round) {  // the first touches memory
  await sequence.clearHistory();
  const start = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(tokens);
  if (round) console.log('rate ' + (+n / (performance.now() - start) * 1000));
}
process.exit(0);
"""


def warm(path):
    """Through a mapping that asks for large pages, as our engine reads and leaves the file; `read` would bring it back in small ones."""
    child = os.fork()  # what this process has touched would count as the peak memory of those that it starts
    if child == 0:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapping:
            mapping.madvise(mmap.MADV_HUGEPAGE)
            for at in range(0, len(mapping), 4096):
                mapping[at]
        os._exit(0)
    os.waitpid(child, 0)


def output_of(command):
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError("%s\n%s" % (" ".join(command), done.stderr[-2000:]))
    return done.stdout


class Runner:
    """Each method measures once and returns {figure: value}; `wanted` is the figure that is compared."""

    def __init__(self, args):
        self.args = args

    def model(self, name):
        return str(pathlib.Path(self.args.models) / (name + ".gguf"))

    def ours(self, model, threads, name, options):
        lines = output_of([self.args.firesteel, "bench", "--json", "-m", self.model(model), "-t", str(threads), "-r", "1", "--startup-prompt", "0"] + options)
        for line in map(json.loads, lines.splitlines()):
            if line["name"].startswith(name):
                return line
        raise RuntimeError("firesteel bench reported no " + name)

    def llama_bench(self, model, threads, options):
        text = output_of([self.args.llama + "/llama-bench", "-m", self.model(model), "-t", str(threads), "-r", "1", "-o", "json"] + options)
        return {"rate": json.loads(text[text.index("["):])[-1]["samples_ts"][0]}

    def prefill(self, model, threads, n):
        ours = self.ours(model, threads, "prefill", ["-p", str(n), "-n", "0"])
        yield "ours", {"rate": ours["median"], "gmac_per_s": ours["gmac_per_s"], "share_of_kernel": ours.get("share_of_kernel")}
        yield "llama", self.llama_bench(model, threads, ["-p", str(n), "-n", "0"])
        if self.args.npm:
            script = pathlib.Path(self.args.npm) / "firesteel_peer.mjs"  # where node finds the package
            script.write_text(NPM_SCRIPT)
            text = output_of(["node", str(script), self.model(model), str(threads), str(n)])
            yield "npm", {"rate": float(re.search(r"rate ([0-9.]+)", text).group(1))}

    def decode(self, model, threads, n, depth=0, flash=()):
        options = ["-p", "0", "-n", str(n)] + (["--depth", str(depth)] if depth else [])
        ours = self.ours(model, threads, "decode/n=%d/depth=%d" % (n, depth), options)
        yield "ours", {"rate": ours["median"], "gb_per_s": ours["gb_per_s"], "bandwidth": ours["bandwidth_gb_per_s"], "in_large_pages": ours.get("in_large_pages")}
        for flag in flash or (None,):
            extra = [] if flag is None else ["-fa", flag]
            yield "llama" + ("" if flag is None else " fa " + flag), self.llama_bench(model, threads, ["-p", "0", "-n", str(n), "-d", str(depth)] + extra)

    def branches(self, model, threads, n, prefix, tokens):
        ours = self.ours(model, threads, "branches", ["-p", "0", "-n", "0", "--branches", str(n), "--prefix", str(prefix), "--branch-tokens", str(tokens)])
        yield "ours", {"rate": ours["decode_tokens_per_second"], "total_s": ours["median"]}
        text = output_of([self.args.llama + "/llama-batched-bench", "-m", self.model(model), "-t", str(threads), "-c", str(prefix + n * tokens + 64), "-b", "2048",
                          "-ub", "512", "-npp", str(prefix), "-ntg", str(tokens), "-npl", str(n), "-pps", "-kvu", "--output-format", "jsonl"])
        line = json.loads(next(line for line in text.splitlines() if line.startswith("{")))
        yield "llama", {"rate": line["speed_tg"], "total_s": line["t"]}

    def spawn(self, command):
        """First byte of output, and peak resident memory."""
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        first = os.read(child.stdout.fileno(), 1)
        first_ms = (time.perf_counter() - start) * 1e3
        child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            raise RuntimeError(" ".join(command))
        # llama-completion loses its output now and then when it ends at once; then only the end of the process is known.
        return {"first_ms": first_ms, "no_output": not first, "rss_mib": usage.ru_maxrss / 1024}

    def start(self, model, threads):
        path, prompt = self.model(model), "The quick brown fox jumps over a lazy dog"
        yield "ours", self.spawn([self.args.firesteel, "ask", "--raw", "--max-tokens", "1", "--ctx", "2048", "--temperature", "0", "--threads", str(threads), "--model", path, prompt])
        theirs = [self.args.llama + "/llama-completion", "-m", path, "-p", prompt, "-n", "1", "-t", str(threads), "-no-cnv", "--temp", "0", "-c", "2048", "--no-display-prompt"]
        yield "llama", self.spawn(theirs)
        yield "llama best flags", self.spawn(theirs + ["--no-warmup", "--no-repack", "-fit", "off"])


def busy():
    """CPU seconds that all have used, and that our finished children have."""
    fields = [int(field) for field in open("/proc/stat").readline().split()[1:9]]
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK"), own.ru_utime + own.ru_stime


def measure(args):
    runner, out = Runner(args), open(args.out, "a") if args.out else None
    samples = []
    for row in args.rows or ROWS:
        kind, model, options = ROWS[row]
        runner.ours(model, options[0], "prefill", ["-p", "8", "-n", "0"])  # what lies in small pages is read again
        for number in range(args.rounds):
            warm(runner.model(model))
            clock, (all_before, own_before) = time.perf_counter(), busy()
            for who, figures in getattr(runner, kind)(model, *options):
                all_after, own_after = busy()
                others = (all_after - all_before - own_after + own_before) / (time.perf_counter() - clock) / os.cpu_count()
                sample = {"row": row, "round": number, "who": who, "others": round(others, 3), **figures}
                clock, all_before, own_before = time.perf_counter(), all_after, own_after
                samples.append(sample)
                if out:
                    out.write(json.dumps(sample) + "\n")
                    out.flush()
            print("%s, round %d: %s" % (row, number, "  ".join("%s %.4g" % (s["who"], s.get("rate", s.get("first_ms", 0))) for s in samples if s["row"] == row and s["round"] == number)), file=sys.stderr)
    return samples


def spread(values):
    digits = 0 if statistics.median(values) >= 100 else 1 if statistics.median(values) >= 10 else 2
    return "%.*f (%.*f-%.*f)" % (digits, statistics.median(values), digits, min(values), digits, max(values))


def table(samples):
    """One line per row and peer: medians with range, and the median of the rounds' ratios with its range. Above 1 is better for us."""
    print("| Row | ours | peer | theirs | ratio | rounds |\n|---|---|---|---|---|---|")
    for row in dict.fromkeys(sample["row"] for sample in samples):
        disturbed = {sample["round"] for sample in samples if sample["row"] == row and sample.get("others", 0) > 0.1}
        own = [sample for sample in samples if sample["row"] == row and sample["round"] not in disturbed]
        for who in dict.fromkeys(sample["who"] for sample in own if sample["who"] != "ours"):
            for figure, inverse in (("rate", False), ("first_ms", True), ("rss_mib", True), ("total_s", True)):
                pairs = {}
                for sample in own:
                    if sample["who"] in ("ours", who) and sample.get(figure) is not None and not sample.get("no_output"):
                        pairs.setdefault(sample["round"], {})[sample["who"]] = sample[figure]
                both = [pair for pair in pairs.values() if len(pair) == 2]
                if both:
                    ratios = [pair[who] / pair["ours"] if inverse else pair["ours"] / pair[who] for pair in both]
                    print("| %s, %s | %s | %s | %s | %s | %d |" % (row, figure, spread([p["ours"] for p in both]), who, spread([p[who] for p in both]), spread(ratios), len(both)))


# name: (measure, model, its arguments: threads first)
ROWS = {
    "prefill-q4_k_m": ("prefill", "llama-1b-Q4_K_M", (2, 512)),
    "prefill-q4_0": ("prefill", "llama-1b-Q4_0", (2, 512)),
    "prefill-q8_0": ("prefill", "llama-1b-Q8_0", (2, 512)),
    "prefill-f16": ("prefill", "llama-1b-f16", (2, 512)),
    "prefill-qwen-q4_0": ("prefill", "qwen2-0.5b-Q4_0", (2, 512)),
    "prefill-qwen-q8_0": ("prefill", "qwen2-0.5b-Q8_0", (2, 512)),
    "decode-q4_k_m": ("decode", "llama-1b-Q4_K_M", (2, 128)),
    "decode-q4_0": ("decode", "llama-1b-Q4_0", (2, 128)),
    "decode-q8_0": ("decode", "llama-1b-Q8_0", (2, 128)),
    "decode-f16": ("decode", "llama-1b-f16", (2, 64)),
    "depth-q4_0": ("decode", "llama-1b-Q4_0", (2, 64, 2048, ("0", "1"))),
    "branches-8": ("branches", "llama-1b-Q4_0", (2, 8, 1024, 64)),
    "branches-4": ("branches", "llama-1b-Q4_0", (2, 4, 512, 64)),
    "branches-16-qwen": ("branches", "qwen2-0.5b-Q4_0", (2, 16, 512, 64)),
    "start-q4_0": ("start", "llama-1b-Q4_0", (2,)),
    "start-q4_k_m": ("start", "llama-1b-Q4_K_M", (2,)),
    "prefill-1-thread": ("prefill", "llama-1b-Q4_0", (1, 512)),
    "decode-1-thread": ("decode", "llama-1b-Q4_0", (1, 64)),
    "moe-prefill": ("prefill", "moe-Q4_0", (2, 512)),
    "moe-decode": ("decode", "moe-Q4_0", (2, 128)),
    "moe-branches-8": ("branches", "moe-Q4_0", (2, 8, 512, 64)),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help="names of rows (default: all)")
    parser.add_argument("--firesteel", default="build/release/firesteel")
    parser.add_argument("--models", default=".")
    parser.add_argument("--llama", default="/usr/bin")
    parser.add_argument("--npm", default="")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", default="")
    parser.add_argument("--table", default="", help="only print the table of a samples file")
    args = parser.parse_args()
    for row in args.rows:
        if row not in ROWS:
            parser.error("row %s: expected one of %s" % (row, ", ".join(ROWS)))
    if args.table:
        table([json.loads(line) for line in open(args.table)])
    else:
        table(measure(args))


if __name__ == "__main__":
    main()
