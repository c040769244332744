"""Steps of torch.optim.Muon: muon_steps.py IN OUT TYPE ROWS COLUMNS STEPS LR DECAY MOMENTUM SCALE.

IN holds float32: a weight of ROWS x COLUMNS, then a gradient for each step. OUT gets the weight and
the momentum after them. torch iterates in bfloat16; with TYPE float32 it does not round to that.
"""
import sys

import torch

source, target, kind, rows, columns, steps, lr, decay, momentum, scale = sys.argv[1:]
if kind == "float32":
    torch.Tensor.bfloat16 = torch.Tensor.clone
shape = (int(steps) + 1, int(rows), int(columns))
values = torch.from_file(source, size=shape[0] * shape[1] * shape[2]).view(shape)
weight = torch.nn.Parameter(values[0].clone())
optimizer = torch.optim.Muon([weight], lr=float(lr), weight_decay=float(decay),
                             momentum=float(momentum), adjust_lr_fn=scale)  # fmt: skip
for gradient in values[1:]:
    weight.grad = gradient.clone()
    optimizer.step()
result = torch.stack([weight.detach(), optimizer.state[weight]["momentum_buffer"]])
with open(target, "wb") as file:
    file.write(bytes(result.contiguous().untyped_storage()))
