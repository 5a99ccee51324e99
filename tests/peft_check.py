"""An independent reader of both sides of `firesteel tune export`: the GGUF adapter and the PEFT folder hold the same numbers, in each other's order
of rows. Written from the formats' descriptions, without our code. Usage: peft_check.py ADAPTER.gguf FOLDER HEAD_DIM; exit code 0: the same."""
import json, math, struct, sys


def read_gguf(path):
    data = open(path, "rb").read()
    at = 0

    def take(form):
        nonlocal at
        values = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return values[0]

    def text():
        nonlocal at
        n = take("Q")
        at += n
        return data[at - n:at].decode()

    def value(kind):
        if kind == 8:
            return text()
        if kind == 9:
            element, n = take("I"), take("Q")
            return [value(element) for _ in range(n)]
        return take("BbHhIif?  Qqd"[kind])

    assert data[:4] == b"GGUF"
    at = 4
    assert take("I") == 3
    n_tensors, n_keys = take("Q"), take("Q")
    keys = {}
    for _ in range(n_keys):
        name = text()
        keys[name] = value(take("I"))
    table = []
    for _ in range(n_tensors):
        name = text()
        dims = [take("Q") for _ in range(take("I"))]
        table.append((name, dims, take("I"), take("Q")))
    start = (at + 31) // 32 * 32
    tensors = {}
    for name, dims, kind, offset in table:
        assert kind == 0, "expected F32"
        cols, rows = dims
        flat = struct.unpack_from("<%df" % (cols * rows), data, start + offset)
        tensors[name] = [flat[r * cols:(r + 1) * cols] for r in range(rows)]
    return keys, tensors


def read_safetensors(path):
    data = open(path, "rb").read()
    n = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:8 + n])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32"
        rows, cols = entry["shape"]
        first, last = entry["data_offsets"]
        assert last - first == 4 * rows * cols
        flat = struct.unpack_from("<%df" % (rows * cols), data, 8 + n + first)
        tensors[name] = [flat[r * cols:(r + 1) * cols] for r in range(rows)]
    return tensors


MODULES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
           "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}


def main():
    keys, ours = read_gguf(sys.argv[1])
    config, theirs = json.load(open(sys.argv[2] + "/adapter_config.json")), read_safetensors(sys.argv[2] + "/adapter_model.safetensors")
    head_dim = int(sys.argv[3])
    assert len(ours) == len(theirs) > 0
    rank = config["r"]
    assert config["peft_type"] == "LORA" and math.isclose(config["lora_alpha"], keys["adapter.lora.alpha"])
    assert config.get("alora_invocation_tokens") == keys.get("adapter.alora.invocation_tokens")
    for name, rows in ours.items():
        _, layer, stem, _, letter = name.split(".")
        other = theirs["base_model.model.model.layers.%s.%s.lora_%s.weight" % (layer, MODULES[stem], letter[-1].upper())]
        assert len(rows) == len(other) and (len(rows) if letter == "lora_a" else len(rows[0])) == rank
        assert MODULES[stem].split(".")[1] in config["target_modules"]
        for i, row in enumerate(rows):
            if letter == "lora_b" and stem in ("attn_q", "attn_k"):
                # GGUF has the two halves of a rotated pair side by side, Hugging Face half a head apart.
                head, at = divmod(i, head_dim)
                i = head * head_dim + at % 2 * (head_dim // 2) + at // 2
            assert row == other[i], (name, i)
    print(len(ours), "tensors are the same")


main()
