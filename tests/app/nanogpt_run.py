"""nanoGPT's side of a round trip: trains as its train.py does, saves ckpt.pt as it does, resumes.

    nanogpt_run.py --save=CKPT:ITERATION|--resume=CKPT [--compiled] -- FLAGS of nanogpt_reference.py

Prints the losses of the iterations as a JSON object {iteration: loss}. --compiled saves the names of
a compiled model (`_orig_mod.`).
"""
import argparse
import dataclasses
import json
import pathlib
import sys
import warnings

warnings.simplefilter("ignore")
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "scripts/bench"))
import torch  # noqa: E402

import nanogpt_reference  # noqa: E402


def save(reference, path, iteration, val_loss, compiled):
    shape = dataclasses.asdict(reference.model.shape)
    arguments = {key: shape[key] for key in
                 ("n_layer", "n_head", "n_embd", "block_size", "bias", "vocab_size", "dropout")}
    prefix = "_orig_mod." if compiled else ""
    state = reference.model.state_dict()
    for name in list(state):
        state[prefix + name] = state.pop(name)
    config = dataclasses.asdict(reference.config)
    torch.save({"model": state, "optimizer": reference.optimizer.state_dict(),
                "model_args": arguments, "iter_num": iteration,
                "best_val_loss": torch.tensor(val_loss), "config": config}, path)


def resume(reference, path):
    for weights_only in (True, False):  # both must read it
        checkpoint = torch.load(path, map_location="cpu", weights_only=weights_only)
    arguments = checkpoint["model_args"]
    shape = dataclasses.asdict(reference.model.shape)
    assert set(arguments) == set(shape) - {"gelu"}, arguments
    assert all(shape[key] == value for key, value in arguments.items()), (shape, arguments)
    state = {name.removeprefix("_orig_mod."): value for name, value in checkpoint["model"].items()}
    reference.model.load_state_dict(state)
    reference.optimizer.load_state_dict(checkpoint["optimizer"])
    assert checkpoint["config"]["dataset"] == reference.config.dataset
    return checkpoint["iter_num"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--save")
    parser.add_argument("--resume")
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("flags", nargs="*")
    args = parser.parse_args()
    config = nanogpt_reference.read_flags(args.flags)
    folder = pathlib.Path(config.data_dir, config.dataset)
    splits = {split: nanogpt_reference.read_tokens(folder / f"{split}.bin")
              for split in ("train", "val")}
    config.vocab_size = config.vocab_size or nanogpt_reference.read_vocab_size(folder)
    torch.set_num_threads(1)
    reference = nanogpt_reference.Reference(config, splits, say=lambda line: None)
    first = resume(reference, args.resume) if args.resume else 0
    target, at = args.save.rsplit(":", 1) if args.save else ("", -1)
    losses = {}
    batch = reference.batch("train")
    for step in range(first, config.max_iters + 1):
        for group in reference.optimizer.param_groups:
            group["lr"] = nanogpt_reference.learning_rate(config, step)
        if step % config.eval_interval == 0:
            reference.evaluate(step)
        if step == int(at):
            val_loss = reference.record["evaluations"][-1]["val"]
            save(reference, target, step, val_loss, args.compiled)
        batch, micro_losses, _ = reference.step(batch)
        losses[step] = micro_losses[-1].item() * len(micro_losses)
    print(json.dumps({"losses": losses, "evaluations": reference.record["evaluations"]}))


main()
