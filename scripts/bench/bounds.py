"""What an iteration must take on this CPU at least, and what it takes; see scripts/bench/bounds."""

import argparse
import json
import pathlib
import sys

import torch

import gemm_rate
import own_bench
import sides

SETTINGS = {
    "tiny": {"n_layer": 1, "n_head": 1, "n_embd": 16, "block_size": 8, "batch_size": 2,
             "vocab_size": 32},
    **{name: {"vocab_size": 65, **shape} for name, shape in sides.SHAPES.items()},
}  # fmt: skip


def linear_products(keys):
    """(name, how often, rows, inner, columns): a linear layer's forward product and its two
    gradients, which have its FLOPs in other shapes."""
    N, C, V = keys["batch_size"] * keys["block_size"], keys["n_embd"], keys["vocab_size"]
    layers = [("c_attn", C, 3 * C), ("attn.c_proj", C, C), ("c_fc", C, 4 * C),
              ("mlp.c_proj", 4 * C, C)]  # fmt: skip
    for name, inner, outer, often in [(*layer, keys["n_layer"]) for layer in layers] + [
            ("head", C, V, 1)]:
        yield name, often, N, inner, outer
        yield f"{name} dX", often, N, outer, inner
        yield f"{name} dW", often, outer, N, inner


def attention_flops(keys):
    """Two products forward, four backward, of which a causal kernel needs the lower half."""
    tokens = keys["batch_size"] * keys["block_size"]
    return 6 * 2 * tokens * keys["block_size"] * keys["n_embd"] * keys["n_layer"] / 2


def batched_rate(keys, dtype, seconds):
    """FLOP/s of the products of attention, a head at a time."""
    heads, T = keys["batch_size"] * keys["n_head"], keys["block_size"]
    D = keys["n_embd"] // keys["n_head"]
    q, k = torch.randn(heads, T, D).to(dtype), torch.randn(heads, D, T).to(dtype)
    out = torch.empty(heads, T, T, dtype=dtype)
    return 2 * heads * T * T * D / gemm_rate.best_time(lambda: torch.bmm(q, k, out=out), seconds)


def parameters(keys):
    C = keys["n_embd"]
    return (keys["vocab_size"] + keys["block_size"] + 1) * C + keys["n_layer"] * (12 * C * C + 2 * C)


def bytes_of_step(keys, dtype):
    """What moves however well a pass is fused, by what it moves through: AdamW reads weight,
    gradient and two moments and writes three of them (28 bytes a parameter); the gradient's norm
    reads it once more (4). Activations: each of the residual stream, the LayerNorms' outputs, qkv,
    attention's output, the MLP's two is written in the forward pass, read in the backward, and its
    gradient written and read there: 4 times 18 values a token, layer and unit of width."""
    tokens = keys["batch_size"] * keys["block_size"]
    size = 4 if dtype is torch.float32 else 2
    return {"optimizer": 32 * parameters(keys),
            "activations": 4 * 18 * size * tokens * keys["n_embd"] * keys["n_layer"]}


def bandwidth(size, seconds):
    """Bytes a second of a copy whose two sides hold `size` bytes together, caches warm."""
    source = torch.ones(max(size // 8, 4096))
    target = torch.empty_like(source)
    return 8 * source.numel() / gemm_rate.best_time(lambda: target.copy_(source), seconds)


def bound(options, keys, peak):
    """One dictionary a line of the table, milliseconds in "ms". `peak`: FLOP/s of the fastest large
    product that gpttrain finds, which may be one of its own."""
    dtype, seconds = getattr(torch, options.dtype), options.seconds
    rows, known = [], {}
    for name, often, M, K, N in linear_products(keys):
        if (M, K, N) not in known:
            known[M, K, N] = max(peak, gemm_rate.rate(M, K, N, dtype, seconds))
        flops = often * 2 * M * K * N
        rows.append({"name": name, "shape": f"{often} x ({M} x {K} x {N})", "flops": flops,
                     "rate": known[M, K, N], "ms": flops / known[M, K, N] * 1e3})
    flops, rate = attention_flops(keys), max(peak, batched_rate(keys, dtype, seconds))
    rows.append({"name": "attention", "shape": "causal half", "flops": flops, "rate": rate,
                 "ms": flops / rate * 1e3})
    for name, size in bytes_of_step(keys, dtype).items():
        rate = bandwidth(size, seconds)
        rows.append({"name": name, "shape": f"{size / 2**20:.1f} MiB", "bytes": size, "rate": rate,
                     "ms": size / rate * 1e3})
    return rows


def table(summary):
    yield (f"{summary['cpu']}, {summary['threads']} threads, {summary['setting']}, "
           f"{summary['dtype']}")
    yield f"{'':<18}{'what':<26}{'GFLOP':>9}{'rate':>13}{'at least':>13}"
    for row in summary["rows"]:
        work = f"{row['flops'] / 1e9:.3f}" if "flops" in row else ""
        rate = f"{row['rate'] / 1e9:.0f} " + ("GFLOP/s" if "flops" in row else "GB/s")
        yield f"{row['name']:<18}{row['shape']:<26}{work:>9}{rate:>13}{row['ms']:>10.3f} ms"
    products, moved = summary["products_ms"], summary["bytes_ms"]
    yield f"{'products':<66}{products:>13.3f} ms"
    yield f"{'and bytes, were none of them hidden':<66}{products + moved:>13.3f} ms"
    yield (f"{'gpttrain, ' + summary['engine'] + ' engine':<66}{summary['measured_ms']:>13.3f} ms, "
           f"{summary['measured_ms'] / products:.2f} x the products; "
           f"{summary['measured_ms'] - products - moved:.3f} ms left over")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="scripts/bench/bounds")
    parser.add_argument("--program", required=True, type=pathlib.Path)
    parser.add_argument("--setting", choices=SETTINGS, default="readme")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--iters", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args(arguments)
    if min(options.threads, options.iters) < 0 or options.seconds <= 0:
        parser.error("expected --threads and --iters from 0 on, --seconds above 0")
    return options


def main(arguments):
    options = parse(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    keys = SETTINGS[options.setting]
    found = own_bench.measured(options.program, options.iters, {
        "device": "cpu", "dtype": options.dtype, "threads": torch.get_num_threads(), **keys})
    rows = bound(options, keys, found["gemm_flops_per_second"])
    summary = {
        "cpu": found["hardware"], "threads": found["threads"], "setting": options.setting,
        "dtype": options.dtype, "engine": found["engine"], "rows": rows,
        "products_ms": sum(row["ms"] for row in rows if "flops" in row),
        "bytes_ms": sum(row["ms"] for row in rows if "bytes" in row),
        "measured_ms": found["median_ms"], "phases": found["phases"],
    }  # fmt: skip
    print("\n".join(table(summary)))
    if options.json:
        options.json.write_text(json.dumps(summary, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RuntimeError as failure:
        print(f"bounds: {failure}", file=sys.stderr)
        sys.exit(1)
