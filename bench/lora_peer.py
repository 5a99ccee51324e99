#!/usr/bin/env python3
"""PyTorch beside `firesteel tune` and `firesteel train`: tokens per second of one training step of a Llama-shaped network.

  python3 bench/lora_peer.py --shape llama-1b --checkpointing           LoRA on frozen bf16 weights, as PEFT does it
  python3 bench/lora_peer.py --shape kindling --batch 32 --tokens 128   the same at Kindling's shape
  python3 bench/lora_peer.py --shape kindling --batch 64 --tokens 128 --full   all weights, AdamW

The layers are written out here (rms norm, rope, grouped attention, SwiGLU), the low-rank part as PEFT's: y = W x + scale * B(A(x)), A and B in f32
under autocast. Weights and tokens are random: speed does not depend on them. Needs torch (Debian: python3-torch). One JSON line.
"""
import argparse, json, resource, time
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

SHAPES = {
    "llama-1b": dict(layers=16, dim=2048, ffn=8192, heads=32, kv=8, head_dim=64, vocab=128256),
    "kindling": dict(layers=8, dim=256, ffn=704, heads=4, kv=2, head_dim=64, vocab=4096),
}


class Lora(nn.Module):
    def __init__(self, k, n, rank, dtype, full):
        super().__init__()
        self.weight = nn.Parameter((torch.randn(n, k) * k ** -0.5).to(dtype), requires_grad=full)
        self.scale = 2.0
        self.a = self.b = None
        if not full:
            self.a = nn.Parameter(torch.randn(rank, k) * k ** -0.5)
            self.b = nn.Parameter(torch.zeros(n, rank))

    def forward(self, x):
        y = F.linear(x, self.weight)
        return y if self.a is None else y + self.scale * F.linear(F.linear(x, self.a), self.b)


def norm(x, weight):
    x = x.float()
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * weight


class Layer(nn.Module):
    def __init__(self, s, rank, dtype, full):
        super().__init__()
        self.s = s
        q, kv = s["heads"] * s["head_dim"], s["kv"] * s["head_dim"]
        make = lambda k, n: Lora(k, n, rank, dtype, full)
        self.q, self.k, self.v, self.o = make(s["dim"], q), make(s["dim"], kv), make(s["dim"], kv), make(q, s["dim"])
        self.gate, self.up, self.down = make(s["dim"], s["ffn"]), make(s["dim"], s["ffn"]), make(s["ffn"], s["dim"])
        self.n1 = nn.Parameter(torch.ones(s["dim"]), requires_grad=full)
        self.n2 = nn.Parameter(torch.ones(s["dim"]), requires_grad=full)

    def forward(self, x, cos, sin):
        s, (b, t, _) = self.s, x.shape
        h = norm(x, self.n1)
        q, k, v = (m(h).view(b, t, -1, s["head_dim"]).transpose(1, 2) for m in (self.q, self.k, self.v))
        turn = lambda z: z * cos + torch.cat((-z[..., s["head_dim"] // 2:], z[..., :s["head_dim"] // 2]), -1) * sin
        q, k = turn(q).to(v.dtype), turn(k).to(v.dtype)
        k, v = (z.repeat_interleave(s["heads"] // s["kv"], 1) for z in (k, v))
        scores = torch.matmul(q, k.transpose(2, 3)) * s["head_dim"] ** -0.5
        scores = scores + torch.full((t, t), float("-inf"), dtype=scores.dtype).triu(1)
        a = torch.matmul(F.softmax(scores.float(), -1).to(v.dtype), v)
        x = x + self.o(a.transpose(1, 2).reshape(b, t, -1))
        h = norm(x, self.n2)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Network(nn.Module):
    def __init__(self, s, rank, full, checkpointing):
        super().__init__()
        dtype = torch.float32 if full else torch.bfloat16
        self.embedding = nn.Parameter((torch.randn(s["vocab"], s["dim"]) * 0.02).to(dtype), requires_grad=full)
        self.layers = nn.ModuleList([Layer(s, rank, dtype, full) for _ in range(s["layers"])])
        self.norm = nn.Parameter(torch.ones(s["dim"]), requires_grad=full)
        self.s, self.checkpointing = s, checkpointing

    def forward(self, ids, n_targets):
        half = self.s["head_dim"] // 2
        angle = torch.arange(ids.shape[1])[:, None] * (10000.0 ** (-torch.arange(half) / half))[None]
        cos, sin = torch.cat((angle.cos(),) * 2, -1), torch.cat((angle.sin(),) * 2, -1)
        x = F.embedding(ids, self.embedding).float().requires_grad_()
        for layer in self.layers:
            x = checkpoint(layer, x, cos, sin) if self.checkpointing else layer(x, cos, sin)
        x = norm(x[:, -n_targets - 1:-1], self.norm)
        return F.cross_entropy(F.linear(x, self.embedding).float().flatten(0, 1), ids[:, -n_targets:].flatten())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="llama-1b")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=256, help="of a sample")
    parser.add_argument("--targets", type=int, default=64, help="tokens of a sample that are learnt (its last ones)")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--full", action="store_true", help="train all weights instead of an adapter")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    s = SHAPES[a.shape]
    model = Network(s, a.rank, a.full, a.checkpointing)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    times = []
    for _ in range(a.steps + 1):  # the first one warms up
        ids = torch.randint(0, s["vocab"], (a.batch, a.tokens))
        begin = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(ids, a.targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - begin)
    speeds = sorted(a.batch * a.tokens / t for t in times[1:])
    print(json.dumps(dict(torch=torch.__version__, shape=a.shape, full=a.full, batch=a.batch, tokens=a.tokens, targets=a.targets, rank=a.rank, threads=a.threads,
                          checkpointing=a.checkpointing, tokens_per_s=round(speeds[len(speeds) // 2], 1), low=round(speeds[0], 1), high=round(speeds[-1], 1),
                          peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)))


if __name__ == "__main__":
    main()
