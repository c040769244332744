"""Trains with gpttrain and with nanoGPT in PyTorch and compares every loss; see scripts/parity."""

import argparse
import array
import pathlib
import sys

import sides

# train_shakespeare_char.py as it stands, but for dropout, which no two programs draw alike.
FULL_SIZE = {**sides.README_CPU, **sides.SHAPES["shakespeare"], "lr_decay_iters": 5000,
             "max_iters": 6, "eval_iters": 1}

# Equal to four decimals: apart by less than half of the fourth. The printed digits of two such
# numbers may still differ where a rounding boundary lies between them; that is counted as well.
TOLERANCE = 5e-5


def compare_files(text, folder):
    """Complaints about the .bin files, held against nanoGPT's rule for shakespeare_char."""
    # Bytes are decoded here because open()'s text mode would turn \r\n into \n.
    characters = text.read_bytes().decode("utf-8")
    number = {c: i for i, c in enumerate(sorted(set(characters)))}
    cut = int(len(characters) * 0.9)
    complaints = []
    for split, part in (("train", characters[:cut]), ("val", characters[cut:])):
        tokens = array.array("H", [number[c] for c in part])
        if sys.byteorder == "big":
            tokens.byteswap()
        if (folder / f"{split}.bin").read_bytes() != tokens.tobytes():
            complaints.append(f"{split}.bin differs from what nanoGPT's prepare.py writes")
    return complaints


def losses(record):
    """{(iteration, what): loss} in the order in which nanoGPT prints them."""
    found = {}
    for entry in record["evaluations"]:
        for split in ("train", "val"):
            found[entry["iter"], f"{split} loss"] = entry[split]
    for entry in record["iterations"]:
        found[entry["iter"], "loss"] = entry["loss"]
    order = {"train loss": 0, "val loss": 1, "loss": 2}
    return dict(sorted(found.items(), key=lambda item: (item[0][0], order[item[0][1]])))


def label(key):
    iteration, what = key
    return f"{'iter' if what == 'loss' else 'step'} {iteration} {what}"


def row(key, pytorch, gpttrain):
    cells = [f"{value:>10.4f}" if value is not None else f"{'none':>10}"
             for value in (pytorch, gpttrain)]
    both = pytorch is not None and gpttrain is not None
    distance = f"{gpttrain - pytorch:>12.1e}" if both else ""
    mark = "" if both and abs(gpttrain - pytorch) < TOLERANCE else "  DIFFERENT"
    return f"{label(key):<24}{cells[0]}{cells[1]}{distance}{mark}"


def compare(pytorch, gpttrain, every):
    """The table's lines and the verdict's, and whether all losses are the same."""
    left, right = losses(pytorch), losses(gpttrain)
    keys = list(left) + [key for key in right if key not in left]
    # Written so that a NaN on either side is a difference.
    different = [k for k in keys if not (k in left and k in right
                                         and abs(left[k] - right[k]) < TOLERANCE)]
    shown = [k for k in keys if k in different[:20] or k[1] != "loss" or k[0] % every == 0]
    table = [f"{'':<24}{'PyTorch':>10}{'gpttrain':>10}{'difference':>12}"]
    table += [row(k, left.get(k), right.get(k)) for k in shown]
    counts = f"{len(keys)} losses ({sum(k[1] == 'loss' for k in keys)} of iterations)"
    if not keys:
        return ["DIFFERENT: neither side printed a loss"], False
    if different:
        first = label(different[0])
        return table + [f"DIFFERENT: {len(different)} of {counts}, the first: {first}"], False
    largest = max(abs(left[k] - right[k]) for k in keys)
    digits = sum(f"{left[k]:.4f}" != f"{right[k]:.4f}" for k in keys)
    verdict = [f"same to 4 decimals: all {counts}; largest difference {largest:.1e}"]
    if digits:
        verdict.append(f"(of these, {digits} are printed with another last digit, because a "
                       "rounding boundary lies between two numbers that close)")
    return table + verdict, True


def parse(arguments):
    parser = argparse.ArgumentParser()
    for name in ("program", "python", "text", "work"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    parser.add_argument("--iters", type=int)
    parser.add_argument("--every", type=int)
    parser.add_argument("--full-size", action="store_true")
    parser.add_argument("--fused", action="store_true")
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    complaints = compare_files(options.text, options.work / "text")
    print("\n".join(complaints) or "train.bin and val.bin: byte for byte nanoGPT's")
    if complaints:
        return 1
    keys = dict(FULL_SIZE if options.full_size else sides.README_CPU)
    if options.iters is not None:
        keys["max_iters"] = options.iters
    both = sides.Sides(options.program, options.python, options.work, "text", options.work)
    try:
        sides.tell(f"PyTorch trains for {keys['max_iters']} iterations ...")
        pytorch = both.reference(keys)
        sides.tell("gpttrain trains the same ...")
        gpttrain = both.gpttrain({**keys, "compile": options.fused})
    except sides.Failure as failure:
        sides.tell(str(failure))
        return 1
    every = options.every or max(1, keys["max_iters"] // 20)
    lines, same = compare(pytorch, gpttrain, every)
    print("\n".join(lines))
    print(f"PyTorch {pytorch['torch']}, {pytorch['threads']} threads, "
          f"{pytorch['cpu_capability']} kernels")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
