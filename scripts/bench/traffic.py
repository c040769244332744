"""What a training step moves on a GPU, by count; see scripts/bench/traffic."""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys

SETTINGS = {
    "gpt2": {"layers": 12, "heads": 12, "width": 768, "vocabulary": 50304, "tokens": 1024,
             "sequences": 16, "head_chunk": 8192},
    "small": {"layers": 2, "heads": 2, "width": 64, "vocabulary": 128, "tokens": 64,
              "sequences": 2, "head_chunk": 0},
}  # fmt: skip
CARDS = ("RTX 3060", "RTX 4090", "H100")
FIELDS = ("launches", "read", "written", "flops")
UPDATE = ("AdamW", "gradient norm", "aten::_foreach", "aten::sqrt", "aten::sum", "aten::sub",
          "aten::zero_")  # fmt: skip

Row = collections.namedtuple("Row", ("name", "shape", *FIELDS))


def moved(row):
    return row.read + row.written


def recorded(program, keys, layers, recompute, dropout):
    """The launches of one micro-batch and one update, each with how often it comes. `dropout`: by which
    attention, or none."""
    words = [layers, *(keys[key] for key in ("heads", "width", "vocabulary", "tokens", "sequences",
                                             "head_chunk")), recompute, dropout]  # fmt: skip
    run = subprocess.run([program, *map(str, words)], capture_output=True, text=True)
    if run.returncode != 0:
        raise SystemExit(f"traffic: {run.stderr.strip() or run.returncode}")
    for line in run.stdout.splitlines():
        name, shape, *numbers = line.split("\t")
        yield Row(name, shape, *map(float, numbers))


def of_a_layer(one, two):
    """What a second layer adds, and what is left of a model of one."""
    one = {(row.name, row.shape): row for row in one}
    layer, rest = [], []
    for more in two:
        less = one.get((more.name, more.shape), Row(more.name, more.shape, 0, 0, 0, 0))
        added = [getattr(more, field) - getattr(less, field) for field in FIELDS]
        if any(added):
            layer.append(Row(more.name, more.shape, *added))
        left = [getattr(less, field) - more for field, more in zip(FIELDS, added)]
        if any(value > 0 for value in left):
            rest.append(Row(more.name, more.shape, *left))
    return layer, rest


def is_update(row):
    """Once for all micro-batches of a step."""
    return row.name.startswith(UPDATE)


def by_name(rows):
    """Of an update: shapes are of all parameters together."""
    sums = {}
    for row in rows:
        if is_update(row):
            before = sums.get(row.name, Row(row.name, "", 0, 0, 0, 0))
            sums[row.name] = Row(row.name, "", *(getattr(before, field) + getattr(row, field)
                                                 for field in FIELDS))  # fmt: skip
    return list(sums.values())


def update_of(one, two, layers):
    """AdamW and the like have one launch for the parameters of all layers."""
    two = {row.name: row for row in by_name(two)}
    return [row._replace(read=row.read + (layers - 1) * (two[row.name].read - row.read),
                         written=row.written + (layers - 1) * (two[row.name].written - row.written))
            for row in by_name(one)]  # fmt: skip


def llm_c(keys, recompute):
    """The launches of llm.c in bfloat16 with cuDNN's attention, as its train_gpt2.cu has them: a
    layer, and the rest of a micro-batch. Its gradients of weights are bfloat16, added to. cuDNN's
    kernels are counted as FlashAttention-2's are, and every tensor once a launch, as ours."""
    C, V, H = keys["width"], keys["vocabulary"], keys["heads"]
    T, N = keys["tokens"], keys["tokens"] * keys["sequences"]
    c = 2 * N * C  # bytes of a tensor as wide as the model
    statistics = 8 * N

    def product(name, inner, outer):
        flops, weight = 2 * N * inner * outer, 2 * inner * outer
        x, y = 2 * N * inner, 2 * N * outer
        return [Row(name, "forward", 1, x + weight, y, flops),
                Row(name, "dX", 1, y + weight, x, flops),
                Row(name, "dW", 1, x + y + weight, weight, flops)]  # fmt: skip

    def bias(name, outer):
        return [Row("bias gradient", name, 2, 2 * N * outer, 0, 0)]

    def norm(name):
        return [Row("residual + LayerNorm", name, 1, 2 * c, 2 * c + statistics, 0),
                Row("LayerNorm backward", name, 1, 3 * c + statistics, c, 0)]  # fmt: skip

    products = [*product("c_attn", C, 3 * C), *product("attn.c_proj", C, C),
                *product("c_fc", C, 4 * C), *product("mlp.c_proj", 4 * C, C)]  # fmt: skip
    biases = [*bias("c_attn", 3 * C), *bias("attn.c_proj", C), *bias("c_fc", 4 * C),
              *bias("mlp.c_proj", C)]  # fmt: skip
    gelu = Row("GELU", "", 1, 4 * c, 4 * c, 0)
    lse, flops = 4 * N * H, N * T * C
    attention = [Row("attention", "", 1, 3 * c, c + lse, 2 * flops),
                 Row("attention backward: sums", "", 1, 2 * c, 2 * c + lse, 0),
                 Row("attention backward", "", 1, 6 * c + 2 * lse, 4 * c, 5 * flops),
                 Row("attention backward: dq", "", 1, 2 * c, c, 0)]  # fmt: skip
    layer = [*products, *biases, *norm("ln_1"), *norm("ln_2"), gelu, *attention,
             Row("GELU backward", "", 1, 8 * c, 4 * c, 0)]  # fmt: skip
    if recompute != "none":
        layer.append(gelu._replace(shape="again"))
    row = 2 * N * V
    # ln_f's forward pass belongs to the last block's residual: the first ln_1 has no addition.
    rest = [*product("head", C, V), Row("cross-entropy", "", 1, row, row, 0),
            *norm("ln_f"), Row("embedding", "", 1, c + 2 * T * C + 4 * N, c, 0),
            Row("clear the gradient", "", 1, 0, c, 0),
            Row("embedding gradient", "", 2, 4 * c + 2 * T * C, c + 2 * T * C, 0)]  # fmt: skip
    P = keys["layers"] * (12 * C * C + 13 * C) + (V + T + 2) * C
    update = [Row("AdamW", "", 16, 14 * P, 14 * P, 0), Row("gradient norm", "", 17, 2 * P, 0, 0),
              Row("clear the gradients", "", 1, 0, 2 * P, 0)]  # fmt: skip
    return layer, rest, update


def rates(name):
    """FLOP/s of bfloat16 and bytes/s, from the program's own table."""
    table = pathlib.Path(__file__).resolve().parents[2] / "src/device/gpu_table.cpp"
    found = re.search(rf'\{{"{name}", ([\d.]+), ([\d.]+),', table.read_text())
    return float(found[1]) * 1e12, float(found[2]) * 1e9


def seconds(rows, flop_rate, byte_rate):
    """Each launch takes what its FLOPs or its bytes take, whichever is longer."""
    return sum(max(row.flops / flop_rate, moved(row) / byte_rate) for row in rows)


class Side:
    """A program's launches: those of a layer and the rest of a micro-batch, and of an update."""

    def __init__(self, layer, rest, update, keys):
        self.layer, self.rest, self.update, self.layers = layer, rest, update, keys["layers"]
        self.tokens = keys["tokens"] * keys["sequences"]

    def micro_batch(self, field):
        return self.layers * sum(map(field, self.layer)) + sum(map(field, self.rest))

    def facts(self, batch):
        """Per token, where an update follows `batch` tokens."""
        a = {"layer_bytes": sum(map(moved, self.layer)) / self.tokens,
             "rest_bytes": sum(map(moved, self.rest)) / self.tokens,
             "layer_other_bytes": sum(moved(r) for r in self.layer if not r.flops) / self.tokens,
             "layer_flops": sum(r.flops for r in self.layer) / self.tokens,
             "layer_launches": sum(r.launches for r in self.layer),
             "bytes": self.micro_batch(moved) / self.tokens,
             "flops": self.micro_batch(lambda row: row.flops) / self.tokens,
             "launches": self.micro_batch(lambda row: row.launches),
             "update_bytes": sum(map(moved, self.update)) / batch}  # fmt: skip
        for card in CARDS:
            rate = rates(card)
            each = self.layers * seconds(self.layer, *rate) + seconds(self.rest, *rate)
            a[card] = 1 / (each / self.tokens + seconds(self.update, *rate) / batch)
        return a


def counted(options, keys, dropout):
    """The engine's launches."""
    one, two = (list(recorded(options.launches, keys, layers, options.recompute, dropout))
                for layers in (1, 2))  # fmt: skip
    layer, rest = of_a_layer(*([row for row in rows if not is_update(row)] for rows in (one, two)))
    return Side(layer, rest, update_of(one, two, keys["layers"]), keys)


def table(sides, keys, batch):
    tokens = keys["tokens"] * keys["sequences"]
    for name, side in sides.items():
        for part in ("layer", "rest", "update"):
            by = "tokens of a micro-batch" if part != "update" else "tokens of a step"
            yield f"{name}, {part}: bytes a token ({by}), launches"
            for row in sorted(getattr(side, part), key=moved, reverse=True):
                each = moved(row) / (batch if part == "update" else tokens)
                yield f"    {row.name:<34}{row.shape:<28}{each:>12,.0f}{row.launches:>6.0f}"
    yield ""
    facts = {name: side.facts(batch) for name, side in sides.items()}
    lines = [("layer: FLOPs a token", "layer_flops"), ("layer: bytes a token", "layer_bytes"),
             ("... outside of GEMMs and attention's products", "layer_other_bytes"),
             ("layer: launches", "layer_launches"), ("rest: bytes a token", "rest_bytes"),
             ("all layers and the rest: bytes a token", "bytes"),
             ("... FLOPs a token", "flops"), ("... launches", "launches"),
             (f"update: bytes a token, {batch} tokens a step", "update_bytes"),
             *((f"bound, {card}: tokens/s", card) for card in CARDS)]  # fmt: skip
    yield f"{'':<50}" + "".join(f"{name:>22}" for name in sides)
    for text, key in lines:
        yield f"{text:<50}" + "".join(f"{of[key]:>22,.0f}" for of in facts.values())


def parse(arguments):
    parser = argparse.ArgumentParser(prog="scripts/bench/traffic")
    parser.add_argument("--launches", required=True, type=pathlib.Path)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--dropout", action="store_true")
    parser.add_argument("--recompute", default="none")
    parser.add_argument("--batch", type=int, default=65536)
    for key in SETTINGS["gpt2"]:
        parser.add_argument("--" + key.replace("_", "-"), type=int)
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    keys = dict(SETTINGS["small" if options.small else "gpt2"])
    keys.update({key: getattr(options, key) for key in keys if getattr(options, key) is not None})
    if options.dropout:  # which llm.c has not
        sides = {f"{attention} attention": counted(options, keys, attention)
                 for attention in ("tiled", "plain")}  # fmt: skip
    else:
        sides = {"gpttrain": counted(options, keys, "none"),
                 "llm.c": Side(*llm_c(keys, options.recompute), keys)}
        if options.recompute == "none":
            sides["llm.c as it comes"] = Side(*llm_c(keys, "gelu"), keys)
    print("\n".join(table(sides, keys, options.batch)))
    if options.json:
        found = {"keys": keys, "facts": {name: s.facts(options.batch) for name, s in sides.items()},
                 "rows": {part: [row._asdict() for row in getattr(next(iter(sides.values())), part)]
                          for part in ("layer", "rest", "update")}}
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
