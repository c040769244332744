"""make DIR: files of the safetensors package, with what they hold. judge DIR: the package's verdict on
every *.safetensors there, and what it reads from ours.safetensors."""
import json
import pathlib
import sys

import safetensors
import torch
from safetensors.torch import load_file, save_file

folder = pathlib.Path(sys.argv[2])


def described(tensor):
    return {"shape": list(tensor.shape), "values": tensor.double().flatten().tolist()}


if sys.argv[1] == "make":
    base = torch.arange(6).reshape(2, 3)
    tensors = {"F32": base / 7, "F64": base.double() / 7, "F16": base.half(), "I64": base - 3,
               "BF16": (base / 2).bfloat16(), "I32": base.int(), "I16": base.short(),
               "I8": base.char(), "U8": base.byte(), "BOOL": base > 2,
               "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3), "\u00e9 \"x\"": base.float()}
    save_file(tensors, folder / "theirs.safetensors", {"format": "pt", "who": "caf\u00e9"})
    (folder / "theirs.json").write_text(json.dumps({k: described(v) for k, v in tensors.items()}))
    sys.exit()

verdicts = {}
for path in sorted(folder.glob("*.safetensors")):
    try:
        with safetensors.safe_open(path, "pt") as file:
            for name in file.keys():
                file.get_tensor(name)
        verdicts[path.stem] = True
    except (safetensors.SafetensorError, OSError):
        verdicts[path.stem] = False
ours = load_file(folder / "ours.safetensors")
with safetensors.safe_open(folder / "ours.safetensors", "pt") as file:
    metadata = file.metadata()
print(json.dumps({"verdicts": verdicts, "metadata": metadata,
                  "ours": {name: described(tensor) for name, tensor in ours.items()}}))
