"""nanoGPT's model in PyTorch: the yardstick that gpttrain's losses and speed are held against.

Everything that touches the random generator happens in nanoGPT's order, because the same seed must
give the same weights: modules draw their own defaults as they are made (wte, wpe, the blocks, the
head), the tied head takes wte's place, every Linear and Embedding is drawn again in module order
(so the tied matrix twice), and last the projections back into the residual stream.
"""

import dataclasses
import math

import torch
from torch import nn
from torch.nn import functional


@dataclasses.dataclass
class Shape:
    """The size of a GPT-2; `gelu` is "none" (by erf, nanoGPT's) or "tanh" (OpenAI's)."""

    n_layer: int
    n_head: int
    n_embd: int
    block_size: int
    vocab_size: int
    bias: bool = False
    dropout: float = 0.0
    gelu: str = "none"


class LayerNorm(nn.Module):
    def __init__(self, width, bias):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None

    def forward(self, x_BTC):
        return functional.layer_norm(x_BTC, self.weight.shape, self.weight, self.bias, 1e-5)


class Attention(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.c_attn = nn.Linear(shape.n_embd, 3 * shape.n_embd, bias=shape.bias)
        self.c_proj = nn.Linear(shape.n_embd, shape.n_embd, bias=shape.bias)
        self.resid_dropout = nn.Dropout(shape.dropout)
        self.n_head, self.n_embd, self.dropout = shape.n_head, shape.n_embd, shape.dropout

    def forward(self, x_BTC):
        B, T, C = x_BTC.shape
        q_BHTD, k_BHTD, v_BHTD = (
            part.view(B, T, self.n_head, -1).transpose(1, 2)
            for part in self.c_attn(x_BTC).split(self.n_embd, dim=2)
        )
        y_BHTD = functional.scaled_dot_product_attention(
            q_BHTD, k_BHTD, v_BHTD, is_causal=True,
            dropout_p=self.dropout if self.training else 0.0,
        )
        return self.resid_dropout(self.c_proj(y_BHTD.transpose(1, 2).reshape(B, T, C)))


class Mlp(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.c_fc = nn.Linear(shape.n_embd, 4 * shape.n_embd, bias=shape.bias)
        self.gelu = nn.GELU(approximate=shape.gelu)
        self.c_proj = nn.Linear(4 * shape.n_embd, shape.n_embd, bias=shape.bias)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, x_BTC):
        return self.dropout(self.c_proj(self.gelu(self.c_fc(x_BTC))))


class Block(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.ln_1 = LayerNorm(shape.n_embd, shape.bias)
        self.attn = Attention(shape)
        self.ln_2 = LayerNorm(shape.n_embd, shape.bias)
        self.mlp = Mlp(shape)

    def forward(self, x_BTC):
        x_BTC = x_BTC + self.attn(self.ln_1(x_BTC))
        return x_BTC + self.mlp(self.ln_2(x_BTC))


class Gpt(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(shape.vocab_size, shape.n_embd),
            "wpe": nn.Embedding(shape.block_size, shape.n_embd),
            "drop": nn.Dropout(shape.dropout),
            "h": nn.ModuleList(Block(shape) for _ in range(shape.n_layer)),
            "ln_f": LayerNorm(shape.n_embd, shape.bias),
        })
        self.lm_head = nn.Linear(shape.n_embd, shape.vocab_size, bias=False)
        self.transformer.wte.weight = self.lm_head.weight
        self.apply(self._draw)
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * shape.n_layer))

    @staticmethod
    def _draw(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, x_BT, y_BT):
        """The logits, and the mean loss over targets other than -1."""
        position_T = torch.arange(x_BT.shape[1], device=x_BT.device)
        x_BTC = self.transformer.wte(x_BT) + self.transformer.wpe(position_T)
        x_BTC = self.transformer.drop(x_BTC)
        for block in self.transformer.h:
            x_BTC = block(x_BTC)
        logits_BTV = self.lm_head(self.transformer.ln_f(x_BTC))
        loss = functional.cross_entropy(logits_BTV.flatten(0, 1), y_BT.flatten(), ignore_index=-1)
        return logits_BTV, loss

    def flops_per_token(self):
        """Forward and backward, as nanoGPT counts them (PaLM, appendix B): 6 per weight but for the
        positions, and attention's 12 per layer, width and position."""
        weights = sum(p.numel() for p in self.parameters()) - self.transformer.wpe.weight.numel()
        return 6 * weights + 12 * self.shape.n_layer * self.shape.n_embd * self.shape.block_size
