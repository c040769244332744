"""Writes DIR/NAME.pt: nanoGPT checkpoints of a tiny model, whole and each broken in its own way."""
import collections
import copy
import pathlib
import sys

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
put("no_width", lambda c: c["model_args"].pop("n_embd"))
put("text_width", lambda c: c["model_args"].update(n_embd="4"))
put("heads", lambda c: c["model_args"].update(n_head=3))
put("huge", lambda c: c["model_args"].update(n_layer=2**40))
put("lacking", lambda c: c["model"].pop("transformer.ln_f.weight"))
put("extra", lambda c: c["model"].update({"transformer.x": torch.ones(1)}))
put("shape", lambda c: c["model_args"].update(block_size=2))
put("untied", lambda c: c["model"].update({"lm_head.weight": torch.zeros(V, C)}))
put("integers", lambda c: c["model"].update({"transformer.ln_f.weight": torch.arange(C)}))
put("number", lambda c: c["model"].update({"transformer.ln_f.weight": 3}))
put("groups", lambda c: c["optimizer"].update(param_groups=[{"params": list(range(9))}]))
put("moments", lambda c: c["optimizer"]["state"][0].update(exp_avg=torch.ones(2)))
put("no_state", lambda c: c["optimizer"]["state"].pop(8))
put("no_optimizer", lambda c: c.pop("optimizer"))
put("iteration", lambda c: c.update(iter_num="5"))
put("loss", lambda c: c.update(best_val_loss=torch.ones(2)))
