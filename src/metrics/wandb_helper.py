"""Feeds Weights & Biases with what gpttrain writes to this process: first the run, then a line a step."""
import json
import sys

sys.path[:] = [place for place in sys.path if place]  # nothing is imported from the current folder
import signal

import wandb

signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the run, which ends this process by closing its end
about = json.loads(sys.stdin.readline())
try:
    wandb.init(**about)
except Exception as error:  # no account, no network, ...
    print(f"W&B cannot be reached ({error}); the run is kept for `wandb sync`", file=sys.stderr)
    wandb.init(**about, mode="offline")
exit_code = 1  # of a run that ended without a word
for line in sys.stdin:
    values = json.loads(line)
    if "exit_code" in values:
        exit_code = values["exit_code"]
        break
    if "samples" in values:
        values["values"]["samples"] = wandb.Html(values["samples"], inject=False)
    wandb.log(values["values"], step=values["step"])
wandb.finish(exit_code=exit_code)
