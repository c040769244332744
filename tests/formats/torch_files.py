"""make DIR: torch.save of tensors of every kind, with what they hold next to them as JSON.
check FILE: torch.load of what the test wrote, weights_only and not; prints what it holds."""
import collections
import json
import pathlib
import sys
import warnings

warnings.simplefilter("ignore")
import torch  # noqa: E402


def described(tensor):
    return {"dtype": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape),
            "values": tensor.detach().double().flatten().tolist()}


def make(folder):
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 7
    tensors = {
        "float32": base, "float64": base.double() / 3, "float16": base.half(),
        "bfloat16": base.bfloat16(), "int64": torch.arange(5) - 2, "int32": torch.arange(5).int(),
        "int16": torch.arange(5).short(), "int8": torch.arange(5).char() - 3,
        "uint8": torch.arange(5).byte(), "bool": torch.tensor([True, False, True]),
        "scalar": torch.tensor(1.5), "empty": torch.zeros(0, 3), "transposed": base.t(),
        "sliced": base[1:3, 2:5], "stepped": base[::2, ::3], "column": base[:, 4],
        "permuted": torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1),
        "parameter": torch.nn.Parameter(base + 1), "one": torch.ones(1, 1).expand(1, 1),
    }
    marked = torch.nn.Parameter(base + 2)
    marked.mark = 5  # an attribute of its own
    tensors["marked"] = marked
    torch.save(tensors, folder / "tensors.pt")
    torch.save(tensors, folder / "old.pt", _use_new_zipfile_serialization=False)
    torch.save(tensors, folder / "step 5: a\\b [v1].pt")
    (folder / "tensors.json").write_text(json.dumps({k: described(t) for k, t in tensors.items()}))
    shared = torch.arange(6.0)
    torch.save({"a": shared, "b": shared, "c": shared.view(2, 3)}, folder / "tied.pt")
    torch.save({"x": base.expand(3, 4, 6)}, folder / "expanded.pt")
    torch.save({"x": torch.nn.Linear(2, 2)}, folder / "module.pt")
    odd = {"dtype": torch.bfloat16, "device": torch.device("cuda", 1), "size": base.shape, "x": base,
           "function": torch.nn.functional.relu, "module": torch.nn.Linear(2, 2)}
    torch.save(odd, folder / "odd.pt")
    torch.save(odd, folder / "odd_old.pt", _use_new_zipfile_serialization=False)
    torch.save({"x": base, "y": 1}, folder / "small_old.pt", _use_new_zipfile_serialization=False)
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), folder / "script.pt")
    try:
        import numpy
    except ImportError:
        return
    array = numpy.arange(24, dtype=numpy.float32).reshape(4, 6) / 7
    arrays = {"rows": array, "columns": numpy.asfortranarray(array), "half": array.astype(numpy.float16),
              "cut": array[1:3, 2:5], "none": array[:0], "one": numpy.array(2.5)}
    for protocol in (2, 5):
        torch.save(arrays, folder / f"numpy{protocol}.pt", pickle_protocol=protocol)
    (folder / "numpy.json").write_text(json.dumps({k: described(torch.from_numpy(numpy.array(v)))
                                                   for k, v in arrays.items()}))


def check(path):
    for weights_only in (True, False):
        loaded = torch.load(path, weights_only=weights_only)
        assert type(loaded) is dict and type(loaded["ordered"]) is collections.OrderedDict
        assert loaded["plain"] == {"n": None, "t": True, "f": False, "i": [1, -1, 2**31, -2**63],
                                   "r": 0.1, "s": "é\n", "u": (1, 2)}, loaded["plain"]
        tied = loaded["ordered"]
        assert tied["a"].data_ptr() == tied["b"].data_ptr()
        assert tied["a"].data_ptr() != tied["c"].data_ptr()
    mapped = torch.load(path, weights_only=True, mmap=True)["ordered"]
    assert all(torch.equal(mapped[name], tensor) for name, tensor in tied.items())
    print(json.dumps({name: described(tensor) for name, tensor in tied.items()}))


if sys.argv[1] == "make":
    make(pathlib.Path(sys.argv[2]))
else:
    check(sys.argv[2])
