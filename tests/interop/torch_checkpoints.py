"""Writes DIR/NAME.pt: checkpoints of a tiny GPT-2 as nanoGPT, its forks and tutorials save them, and each
broken in its own way."""
import argparse
import collections
import copy
import enum
import pathlib
import sys
import types

import torch

folder = pathlib.Path(sys.argv[1])
C, V, T = 4, 6, 3
torch.manual_seed(1)


def block(prefix):
    return {f"{prefix}.ln_1.weight": (C,), f"{prefix}.attn.c_attn.weight": (3 * C, C),
            f"{prefix}.attn.c_proj.weight": (C, C), f"{prefix}.ln_2.weight": (C,),
            f"{prefix}.mlp.c_fc.weight": (4 * C, C), f"{prefix}.mlp.c_proj.weight": (C, 4 * C)}


shapes = {"transformer.wte.weight": (V, C), "transformer.wpe.weight": (T, C),
          **block("transformer.h.0"), "transformer.ln_f.weight": (C,)}
model = collections.OrderedDict((name, torch.randn(shape)) for name, shape in shapes.items())
model["lm_head.weight"] = model["transformer.wte.weight"]
order = [n for n in shapes if len(shapes[n]) > 1] + [n for n in shapes if len(shapes[n]) == 1]
state = {i: {"step": torch.tensor(5.0), "exp_avg": torch.randn(shapes[n]),
             "exp_avg_sq": torch.rand(shapes[n])} for i, n in enumerate(order)}
whole = {
    "model": model,
    "optimizer": {"state": state, "param_groups": [{"params": list(range(6))},
                                                   {"params": [6, 7, 8]}]},
    "model_args": dict(n_layer=1, n_head=2, n_embd=C, block_size=T, bias=False, vocab_size=V,
                       dropout=0.1),
    "iter_num": 5, "best_val_loss": torch.tensor(1.25),
    "config": {"dataset": "x", "batch_size": 2, "learning_rate": 1, "wandb_log": False,
               "mystery": 3, "nothing": None},
}


def put(name, change=lambda c: None):
    checkpoint = copy.deepcopy(whole)  # keeps the tie of head and embedding
    change(checkpoint)
    torch.save(checkpoint, folder / f"{name}.pt")


def half(checkpoint):
    for name, tensor in checkpoint["model"].items():
        checkpoint["model"][name] = tensor.bfloat16()


def old_style(checkpoint):
    for entry in checkpoint["optimizer"]["state"].values():
        entry["step"] = 5
    checkpoint["model"]["transformer.h.0.attn.bias"] = torch.ones(1, 1, T, T)
    checkpoint["best_val_loss"] = 1.25


def rename(checkpoint, old, new):
    checkpoint["model"][new] = checkpoint["model"].pop(old)


put("whole")
put("half", half)
put("old_style", old_style)
put("unstepped", lambda c: c["optimizer"].update(state={}))
put("no_model", lambda c: c.pop("model"))
put("no_args", lambda c: c.pop("model_args"))
put("no_heads", lambda c: c["model_args"].pop("n_head"))
put("only_heads", lambda c: c.update(model_args={"n_head": 2}))
put("text_width", lambda c: c["model_args"].update(n_embd="4"))
put("heads", lambda c: c["model_args"].update(n_head=3))
put("huge", lambda c: c["model_args"].update(n_layer=2**40))
put("lacking", lambda c: c["model"].pop("transformer.ln_f.weight"))
put("extra", lambda c: c["model"].update({"transformer.x": torch.ones(1)}))
put("shape", lambda c: c["model_args"].update(block_size=2))
put("untied", lambda c: c["model"].update({"lm_head.weight": torch.zeros(V, C)}))
put("integers", lambda c: c["model"].update({"transformer.ln_f.weight": torch.arange(C)}))
put("number", lambda c: c["model"].update({"transformer.ln_f.weight": 3}))
put("groups", lambda c: c["optimizer"].update(param_groups=[{"params": [i]} for i in range(9)]))
put("moments", lambda c: c["optimizer"]["state"][0].update(exp_avg=torch.ones(2)))
put("no_state", lambda c: c["optimizer"]["state"].pop(8))
put("no_optimizer", lambda c: c.pop("optimizer"))
put("empty_optimizer", lambda c: c.update(optimizer={}))
put("empty_list", lambda c: c.update(optimizer_states=[c.pop("optimizer")][:0]))
put("iteration", lambda c: c.update(iter_num="5"))
put("loss", lambda c: c.update(best_val_loss=torch.ones(2)))


# Wrappers, in any order and nesting, in front and in between.
def renamed(change):
    return lambda c: c.update(model=collections.OrderedDict((change(k), v) for k, v in c["model"].items()))


put("compiled", renamed(lambda k: "_orig_mod." + k))
put("compiled_ddp", renamed(lambda k: "_orig_mod.module." + k))
put("ddp_compiled", renamed(lambda k: "module._orig_mod." + k))
put("fsdp_deep", renamed(lambda k: "module.module._orig_mod._orig_mod." + k.replace(
    "h.0.", "h.0._fsdp_wrapped_module._checkpoint_wrapped_module._orig_mod.")))
put("lightning", lambda c: c.update(state_dict={"model." + k: v for k, v in c.pop("model").items()},
                                    optimizer_states=[c.pop("optimizer")], global_step=c.pop("iter_num"),
                                    hyper_parameters=argparse.Namespace(**c.pop("model_args"))))
put("no_transformer", renamed(lambda k: k.removeprefix("transformer.")))
put("twice", lambda c: c["model"].update({"module.transformer.wpe.weight": torch.ones(T, C)}))
put("two_models", lambda c: c["model"].update({"ema.transformer.wte.weight": torch.ones(V, C)}))
put("adapter", lambda c: c["model"].update({"transformer.h.0.attn.c_attn.lora_A.default.weight": torch.ones(2, C)}))


# Optimizers: with a head of its own, of all parameters at once, with names, of nanoGPT before March 2023.
def head_apart(c):
    states = list(c["optimizer"]["state"].values())
    states.insert(6, states[0])
    c["optimizer"] = {"state": dict(enumerate(states)),
                      "param_groups": [{"params": list(range(7))}, {"params": [7, 8, 9]}]}


def reordered(c, *groups, **more):
    states, index = {}, 0
    for group in groups:
        for name in group:
            states[index] = c["optimizer"]["state"][order.index(name)]
            index += 1
    sizes, begin = [], 0
    for group in groups:
        sizes.append({"params": list(range(begin, begin + len(group))), **{k: v(group) for k, v in more.items()}})
        begin += len(group)
    c["optimizer"] = {"state": states, "param_groups": sizes}


linear = [n for n in order if ".attn." in n or ".mlp." in n]
put("head_apart", head_apart)
put("one_group", lambda c: reordered(c, list(shapes)))
put("named", lambda c: reordered(c, sorted(order, reverse=True), param_names=lambda g: ["module." + n for n in g]))
put("old_groups", lambda c: reordered(c, sorted(linear), sorted(set(order) - set(linear))))
put("sgd", lambda c: [s.pop("exp_avg") for s in c["optimizer"]["state"].values()])


# Other layouts. GPTConfig is build-nanogpt's: an object of a class that is not here when the file is read.
class GPTConfig:
    pass


class Kind(enum.Enum):
    A = 1


def build_nanogpt(c):
    config = GPTConfig()
    vars(config).update(block_size=T, vocab_size=V, n_layer=1, n_head=2, n_embd=C)
    model = dict(c["model"])
    c.clear()
    c.update(model=model, config=config, step=19072, val_loss=3.06)


def tutorial(c):
    model, optimizer = c["model"], c["optimizer"]
    c.clear()
    c.update(epoch=3, model_state_dict=model, optimizer_state_dict=optimizer, loss=2.5)


def bare(c):
    model = dict(c["model"])
    c.clear()
    c.update(model)


def odd_values(c):
    c["config"].update(kind=Kind.A, path=pathlib.Path("a/b"), dtype=torch.bfloat16, device=torch.device("cuda", 0),
                       size=torch.Size([2]), args=argparse.Namespace(a=1), space=types.SimpleNamespace(b=2),
                       large=2**100, loop=[])
    c["rng_state"] = torch.get_rng_state()
    c["callback"] = print


put("build_nanogpt", build_nanogpt)
put("tutorial", tutorial)
put("bare", bare)
put("conv1d", lambda c: (bare(c), c.update({k: c[k].t().contiguous() for k in linear})))
put("odd_values", odd_values)
put("tensor_step", lambda c: c.update(iter_num=torch.tensor(5), best_val_loss=torch.tensor([2])))
put("optimizer_only", lambda c: [c.update(c["optimizer"]), [c.pop(k) for k in (
    "model", "optimizer", "model_args", "iter_num", "best_val_loss", "config")]])
torch.save(whole, folder / "before_1_6.pt", _use_new_zipfile_serialization=False)


class Part(torch.nn.Module):
    def __init__(self, parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, torch.nn.Parameter(part) if isinstance(part, torch.Tensor) else Part(part))


tree = {}
for name, tensor in model.items():
    *above, last = name.split(".")
    part = tree
    for step in above:
        part = part.setdefault(step, {})
    part[last] = tensor
torch.save(Part(tree), folder / "module.pt")
torch.save(Part(tree), folder / "module_before_1_6.pt", _use_new_zipfile_serialization=False)
nan = copy.deepcopy(whole)
nan["model"]["transformer.h.0.mlp.c_fc.weight"][3, 1] = float("nan")
torch.save(nan, folder / "nan.pt")
