"""Steps of torch.optim.Muon: muon_steps.py IN OUT STEPS LR DECAY MOMENTUM ROWS:COLUMNS:SCALE...

IN holds float32: for each matrix its weights, then a gradient for each step. OUT gets the weights and
the momentum after them, twice for each matrix: iterated without rounding to bfloat16, and as torch
does it.
"""
import sys

import torch

source, target, steps, lr, decay, momentum, *matrices = sys.argv[1:]
rounded = torch.Tensor.bfloat16
values = torch.frombuffer(bytearray(open(source, "rb").read()), dtype=torch.float32)
results = []
for matrix in matrices:
    rows, columns, scale = matrix.split(":")
    count = (int(steps) + 1) * int(rows) * int(columns)
    first, *gradients = values[:count].view(-1, int(rows), int(columns))
    values = values[count:]
    for to_bfloat16 in (torch.Tensor.clone, rounded):
        torch.Tensor.bfloat16 = to_bfloat16
        weight = torch.nn.Parameter(first.clone())
        optimizer = torch.optim.Muon([weight], lr=float(lr), weight_decay=float(decay),
                                     momentum=float(momentum), adjust_lr_fn=scale)  # fmt: skip
        for gradient in gradients:
            weight.grad = gradient.clone()
            optimizer.step()
        results += [weight.detach().flatten(), optimizer.state[weight]["momentum_buffer"].flatten()]
with open(target, "wb") as file:
    file.write(bytes(torch.cat(results).untyped_storage()))
