"""What `gpttrain bench` measures, as a dictionary."""

import json
import subprocess


def measured(program, iters, keys):
    """`keys` are gpttrain's; `iters` is how many iterations count, 0: as many as bench takes itself."""
    flags = {"gradient_accumulation_steps": 1, "json": True, **keys}
    if iters:
        flags |= {"timed_iters": iters, "untimed_iters": 1}
    command = [program, "bench", *(f"--{key}={value}" for key, value in flags.items())]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{done.stderr}gpttrain bench failed (see above)")
    return json.loads(done.stdout)
