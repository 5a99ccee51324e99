#!/usr/bin/env python3
"""weak_symbols.py BUILD_DIR: compiles the ISA files at -O0 with their own flags and looks for weak symbols.

An inline function or template compiled with AVX flags is a weak symbol, and the linker may take that copy for everyone, also
on a CPU without AVX. At -O0 nothing is inlined away, so what could leak shows.
"""

import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile


def commands(build_dir):
    with open(os.path.join(build_dir, "compile_commands.json"), encoding="utf-8") as file:
        for entry in json.load(file):
            if re.search(r"/src/kernels/(avx2|avx512|neon)/[^/]*\.cc$", entry["file"]) and "_test.cc" not in entry["file"]:
                yield entry["file"], entry["directory"], shlex.split(entry["command"])


def at_o0(command, output):
    """Instrumentation brings symbols of its own; a compiler cache would not see a difference worth keeping."""
    kept, skip = [], False
    for word in command:
        if skip:
            skip = False
        elif word in ("-o", "-MF", "-MT", "-MQ"):
            skip = True
        elif not re.match(r"-O|-fsanitize|-fno-sanitize|-fprofile|-fcoverage|-g|-M|-Werror", word) and "ccache" not in word:
            kept.append(word)
    return kept + ["-O0", "-w", "-o", output]


def weak(nm_lines):
    """nm's V, v, W, w are weak; u is a unique global, which is an inline variable. DW.ref.X is a pointer for unwinding, not code."""
    matches = [re.match(r"[0-9a-f]*\s+[VvWwu]\s+(.*)", line) for line in nm_lines]
    return [match.group(1) for match in matches if match and not match.group(1).startswith("DW.ref.")]


def main():
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    assert weak(["0000000000000000 W std::max", "                 U f", "0000000000000010 T g", "                 w h"]) == ["std::max", "h"]
    found = list(commands(sys.argv[1]))
    n_bad = 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        def symbols(job):
            number, (source, directory, command) = job
            output = os.path.join(folder, f"{number}.o")
            subprocess.run(at_o0(command, output), cwd=directory, check=True)
            lines = subprocess.run(["nm", "-C", output], check=True, capture_output=True, text=True).stdout.splitlines()
            return source, weak(lines)
        for source, names in pool.map(symbols, enumerate(found)):
            n_bad += len(names)
            for name in names:
                print(f"{source}: weak symbol {name}: the linker may take this copy for every caller")
    print(f"weak_symbols: {len(found)} ISA files, {n_bad} weak symbols")
    return 1 if n_bad or not found else 0


if __name__ == "__main__":
    sys.exit(main())
