#!/usr/bin/env python3
"""nanoGPT's training run in PyTorch, to compare gpttrain with.

    nanogpt_reference.py --data_dir=DIR --dataset=NAME [--key=value ...] [--json=FILE]

DIR/NAME holds train.bin and val.bin (uint16) and, for the size of the vocabulary, meta.json. Keys
are nanoGPT's where it has them, lines are nanoGPT's, and random numbers are drawn in its order.
--json writes every loss at full precision. Needs no numpy.
"""

import contextlib
import dataclasses
import json
import math
import pathlib
import sys
import time

import torch

import nanogpt_model


@dataclasses.dataclass
class Config:
    data_dir: str = "data"
    dataset: str = ""
    json: str = ""
    threads: int = 0  # 0: PyTorch's own choice
    vocab_size: int = 0  # 0: from meta.json, else nanoGPT's 50304
    seed: int = 1337
    device: str = "cpu"
    dtype: str = "float32"  # anything else: autocast, on the CPU too, where nanoGPT has none
    compile: bool = False
    evaluate: bool = True
    eval_interval: int = 2000
    log_interval: int = 1
    eval_iters: int = 200
    gradient_accumulation_steps: int = 1
    batch_size: int = 12
    block_size: int = 1024
    n_layer: int = 12
    n_head: int = 12
    n_embd: int = 768
    dropout: float = 0.0
    bias: bool = False
    learning_rate: float = 6e-4
    max_iters: int = 600000
    weight_decay: float = 1e-1
    beta1: float = 0.9
    beta2: float = 0.95
    grad_clip: float = 1.0
    decay_lr: bool = True
    warmup_iters: int = 2000
    lr_decay_iters: int = 600000
    min_lr: float = 6e-5


def read_flags(arguments):
    config = Config()
    kinds = {field.name: field.type for field in dataclasses.fields(Config)}
    for argument in arguments:
        key, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or not equals or key not in kinds:
            sys.exit(f"nanogpt_reference.py: {argument}: not --key=value with a known key; "
                     f"keys: {', '.join(kinds)}")
        parse = {"True": True, "False": False}.__getitem__ if kinds[key] is bool else kinds[key]
        try:
            setattr(config, key, parse(value))
        except (KeyError, ValueError):
            kind = {bool: "True or False", int: "a whole number", float: "a number"}[kinds[key]]
            sys.exit(f"nanogpt_reference.py: {argument}: expected {kind}")
    return config


def read_tokens(path):
    """The whole file, mapped."""
    return torch.from_file(str(path), size=path.stat().st_size // 2, dtype=torch.uint16)


def read_vocab_size(folder):
    meta = folder / "meta.json"
    return json.loads(meta.read_text("utf-8"))["vocab_size"] if meta.exists() else 50304


def learning_rate(config, step):
    if not config.decay_lr:
        return config.learning_rate
    if step < config.warmup_iters:
        return config.learning_rate * (step + 1) / (config.warmup_iters + 1)
    if step > config.lr_decay_iters:
        return config.min_lr
    share = (step - config.warmup_iters) / (config.lr_decay_iters - config.warmup_iters)
    cosine = 0.5 * (1.0 + math.cos(math.pi * share))
    return config.min_lr + cosine * (config.learning_rate - config.min_lr)


class Reference:
    """One run. `splits` maps "train" and "val" to their tokens; the results are in `record`."""

    def __init__(self, config, splits, say):
        self.config, self.splits, self.say = config, splits, say
        self.device_type = torch.device(config.device).type
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        torch.manual_seed(config.seed)
        sizes = {f.name: getattr(config, f.name) for f in dataclasses.fields(nanogpt_model.Shape)
                 if hasattr(config, f.name)}
        self.model = nanogpt_model.Gpt(nanogpt_model.Shape(**sizes)).to(config.device)
        self.optimizer = self._make_optimizer()
        self.scaler = torch.amp.GradScaler(self.device_type, enabled=config.dtype == "float16")
        self.run_model = torch.compile(self.model) if config.compile else self.model
        self.draws = []
        self.record = {"flops_per_token": self.model.flops_per_token(), "evaluations": [],
                       "iterations": []}

    def _make_optimizer(self):
        matrices = [p for p in self.model.parameters() if p.dim() >= 2]
        vectors = [p for p in self.model.parameters() if p.dim() < 2]
        groups = [{"params": matrices, "weight_decay": self.config.weight_decay},
                  {"params": vectors, "weight_decay": 0.0}]
        fused = {"fused": True} if self.device_type == "cuda" else {}
        return torch.optim.AdamW(groups, lr=self.config.learning_rate,
                                 betas=(self.config.beta1, self.config.beta2), **fused)

    def autocast(self):
        if self.config.dtype == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device_type, dtype=getattr(torch, self.config.dtype))

    def batch(self, split):
        tokens, block = self.splits[split], self.config.block_size
        starts = torch.randint(len(tokens) - block, (self.config.batch_size,)).tolist()
        self.draws.append((split, starts))
        rows = torch.stack([tokens[i : i + block + 1] for i in starts]).long()
        pair_BT = rows[:, :-1].contiguous(), rows[:, 1:].contiguous()
        if self.device_type == "cuda":
            return tuple(t.pin_memory().to(self.config.device, non_blocking=True) for t in pair_BT)
        return pair_BT

    @torch.no_grad()
    def estimate_loss(self):
        self.run_model.eval()
        means = {}
        for split in ("train", "val"):
            losses = torch.zeros(self.config.eval_iters)
            for k in range(self.config.eval_iters):
                batch = self.batch(split)
                with self.autocast():
                    losses[k] = self.run_model(*batch)[1].item()
            means[split] = losses.mean().item()
        self.run_model.train()
        return means

    def step(self, batch):
        """One update. Returns the next batch, each micro-batch's loss, and the gradient's norm."""
        micro_losses, norm = [], None
        count = self.config.gradient_accumulation_steps
        for _ in range(count):
            with self.autocast():
                loss = self.run_model(*batch)[1] / count
            batch = self.batch("train")  # while the device is still busy with the forward pass
            self.scaler.scale(loss).backward()
            micro_losses.append(loss.detach())
        if self.config.grad_clip != 0.0:
            self.scaler.unscale_(self.optimizer)
            norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.grad_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return batch, micro_losses, norm

    def evaluate(self, step):
        means = self.estimate_loss()
        self.record["evaluations"].append({"iter": step, **means})
        self.say(f"step {step}: train loss {means['train']:.4f}, val loss {means['val']:.4f}")

    def train(self):
        config = self.config
        batch = self.batch("train")
        before = time.perf_counter()
        for step in range(config.max_iters + 1):
            rate = learning_rate(config, step)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            if config.evaluate and step % config.eval_interval == 0:
                self.evaluate(step)
            batch, micro_losses, norm = self.step(batch)
            logged = step % config.log_interval == 0
            if logged:  # reading the losses waits for the device, so this comes before the clock
                losses = [loss.item() * len(micro_losses) for loss in micro_losses]
            now = time.perf_counter()
            milliseconds, before = (now - before) * 1e3, now
            if logged:
                self.say(f"iter {step}: loss {losses[-1]:.4f}, time {milliseconds:.2f}ms")
                self.record["iterations"].append({
                    "iter": step, "loss": losses[-1], "mean_loss": sum(losses) / len(losses),
                    "lr": rate, "grad_norm": None if norm is None else norm.item(),
                    "ms": milliseconds, "time": time.time()})
        if self.device_type == "cuda":
            self.record["peak_allocated_bytes"] = torch.cuda.max_memory_allocated(config.device)
            self.record["peak_reserved_bytes"] = torch.cuda.max_memory_reserved(config.device)
        return self.record


def main(arguments):
    config = read_flags(arguments)
    folder = pathlib.Path(config.data_dir, config.dataset)
    splits = {}
    for split in ("train", "val"):
        path = folder / f"{split}.bin"
        if not path.is_file():
            sys.exit(f"nanogpt_reference.py: {path}: no such file; name the folder with train.bin "
                     "and val.bin by --data_dir=DIR --dataset=NAME")
        splits[split] = read_tokens(path)
    config.vocab_size = config.vocab_size or read_vocab_size(folder)
    if config.threads:
        torch.set_num_threads(config.threads)
    record = Reference(config, splits, say=lambda line: print(line, flush=True)).train()
    if config.json:
        facts = {"config": dataclasses.asdict(config), "torch": torch.__version__,
                 "threads": torch.get_num_threads(),
                 "cpu_capability": torch.backends.cpu.get_cpu_capability()}
        pathlib.Path(config.json).write_text(json.dumps({**facts, **record}, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
