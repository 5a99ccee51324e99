#!/usr/bin/env python3
"""Writes a tiny model of random weights that can say any byte, so that constrained answers have something to be made of.

    make_model.py FILE.gguf [SEED]

The model of stories that the other tests use knows no brace. This one knows nothing, but its vocabulary has every byte. Format: docs/formats/gguf.md.
"""

import random
import struct
import sys

DIM, FFN, HEADS, LAYERS, CONTEXT = 32, 64, 2, 1, 4096
STRING, ARRAY, U32, F32, I32, BOOL = 8, 9, 4, 6, 5, 7


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def pair(key, kind, payload):
    return text(key) + struct.pack("<I", kind) + payload


def byte_alphabet():
    """GPT-2's letters for the 256 bytes: printable ones stand for themselves, the others get code points from 256."""
    printable = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    others = [chr(256 + i) for i in range(256 - len(printable))]
    return [chr(b) for b in printable] + others


def main(path, seed):
    rng = random.Random(seed)
    tokens = byte_alphabet() + ["qz", "<bos>", "<eos>"]  # readers insist on one merge
    types = [1] * 257 + [3, 3]
    meta = [
        pair("general.architecture", STRING, text("llama")),
        pair("general.alignment", U32, struct.pack("<I", 32)),
        pair("llama.context_length", U32, struct.pack("<I", CONTEXT)),
        pair("llama.embedding_length", U32, struct.pack("<I", DIM)),
        pair("llama.block_count", U32, struct.pack("<I", LAYERS)),
        pair("llama.feed_forward_length", U32, struct.pack("<I", FFN)),
        pair("llama.attention.head_count", U32, struct.pack("<I", HEADS)),
        pair("llama.attention.head_count_kv", U32, struct.pack("<I", HEADS)),
        pair("llama.rope.dimension_count", U32, struct.pack("<I", DIM // HEADS)),
        pair("llama.attention.layer_norm_rms_epsilon", F32, struct.pack("<f", 1e-5)),
        pair("tokenizer.ggml.model", STRING, text("gpt2")),
        pair("tokenizer.ggml.pre", STRING, text("llama-bpe")),
        pair("tokenizer.ggml.tokens", ARRAY, struct.pack("<IQ", STRING, len(tokens)) + b"".join(map(text, tokens))),
        pair("tokenizer.ggml.token_type", ARRAY, struct.pack("<IQ", I32, len(types)) + struct.pack(f"<{len(types)}i", *types)),
        pair("tokenizer.ggml.merges", ARRAY, struct.pack("<IQ", STRING, 1) + text("q z")),
        pair("tokenizer.ggml.bos_token_id", U32, struct.pack("<I", 257)),
        pair("tokenizer.ggml.eos_token_id", U32, struct.pack("<I", 258)),
        pair("tokenizer.ggml.add_bos_token", BOOL, b"\0"),
    ]
    shapes = [("token_embd.weight", (DIM, len(tokens))), ("output_norm.weight", (DIM,)), ("output.weight", (DIM, len(tokens)))]
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        shapes += [(block + "attn_norm.weight", (DIM,)), (block + "ffn_norm.weight", (DIM,))]
        shapes += [(block + f"attn_{name}.weight", (DIM, DIM)) for name in ("q", "k", "v", "output")]
        shapes += [(block + "ffn_gate.weight", (DIM, FFN)), (block + "ffn_up.weight", (DIM, FFN)), (block + "ffn_down.weight", (FFN, DIM))]
    infos, data = b"", b""
    for name, shape in shapes:
        count = 1
        for size in shape:
            count *= size
        infos += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<IQ", 0, len(data))
        values = [1.0] * count if len(shape) == 1 else [rng.gauss(0, 0.3) for _ in range(count)]
        data += struct.pack(f"<{count}f", *values)
        data += b"\0" * (-len(data) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(meta)) + b"".join(meta) + infos
    with open(path, "wb") as file:
        file.write(head + b"\0" * (-len(head) % 32) + data)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1)
