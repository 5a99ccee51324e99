#!/usr/bin/env python3
"""Makes family_goldens.txt: logits of llama.cpp for the tiny models of tests/tiny_model.cc.

  families_test --gtest_also_run_disabled_tests --gtest_filter='*DISABLED_WriteModels'     # NAME.gguf and models.txt, here
  make_family_goldens.py LLAMA_RESULTS > family_goldens.txt                                # llama.cpp's tool of that name

F32 keys and values, no flash attention, one thread. Standard library only.
"""
import struct
import subprocess
import sys

PROMPT = ("the-quick-brown-fox-jumps-over-the-lazy-dog;0123456789;steel-on-flint:one-strike,many-sparks;"
          "THE-LAST-LINE-IS-LONGER")[:96]
IGNORED = {"mistral-window"}   # llama.cpp reads no window in architecture "llama"; transformers does, and so do we
ROWS = list(range(3, 96, 4))


def read_results(path):
    """Tokens and logits of a results file (GGUF with two tensors)."""
    data = open(path, "rb").read()
    at = 24
    n_tensors, n_keys = struct.unpack_from("<QQ", data, 8)

    def text():
        nonlocal at
        (n,) = struct.unpack_from("<Q", data, at)
        value = data[at + 8:at + 8 + n].decode()
        at += 8 + n
        return value

    for _ in range(n_keys):
        text()
        (kind,) = struct.unpack_from("<I", data, at)
        at += 4
        if kind == 8:
            text()
        else:
            at += {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}[kind]
    infos = {}
    for _ in range(n_tensors):
        name = text()
        (n_dims,) = struct.unpack_from("<I", data, at)
        shape = struct.unpack_from("<%dQ" % n_dims, data, at + 4)
        kind, offset = struct.unpack_from("<IQ", data, at + 4 + 8 * n_dims)
        at += 16 + 8 * n_dims
        infos[name] = (shape, kind, offset)
    start = (at + 31) // 32 * 32

    def values(name):
        shape, kind, offset = infos[name]
        n = 1
        for s in shape:
            n *= s
        return struct.unpack_from("<%d%s" % (n, "f" if kind == 0 else "i"), data, start + offset)

    return values("tokens"), values("logits")


def main():
    tool = sys.argv[1]
    print("# Logits of llama.cpp for the tiny models of tests/tiny_model.cc; see make_family_goldens.py.")
    tokens = None
    for line in open("models.txt"):
        name, digest = line.split()
        if name in IGNORED:
            continue
        subprocess.run([tool, "-m", name + ".gguf", "-p", PROMPT, "-o", name + ".results", "-ctk", "f32", "-ctv", "f32",
                        "-fa", "off", "-t", "1", "-c", "512"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ids, logits = read_results(name + ".results")
        if tokens is None:
            tokens = ids
            print("tokens", *ids)
        assert ids == tokens and len(logits) == 288 * len(ids), name
        print("model", name, digest)
        for row in ROWS:
            values = logits[288 * row:288 * (row + 1)]
            order = sorted(range(288), key=lambda i: -values[i])
            print("row", row, order[0], *("%.5f" % v for v in (values[order[0]], values[order[1]], values[10], values[100], values[200])))


main()
