"""The first steps of scripts/gpu_check: the machine, and a gpttrain that runs on it."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import time


def first_line(command, pattern="."):
    try:
        text = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return "none"
    return next((line.strip() for line in text.splitlines() if re.search(pattern, line)), "none")


def torch_version(bench):
    if not bench.torch:
        return "no PyTorch"
    found = re.search(r"__version__ = '([^']+)'", (bench.torch / "version.py").read_text())
    return f"PyTorch {found[1] if found else 'of an unknown version'}"


def machine(bench):
    nvcc = shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
    facts = [torch_version(bench), first_line([nvcc, "--version"], "release"),
             first_line(["c++", "--version"]), first_line(["cmake", "--version"]),
             f"{bench.cores} cores", first_line(["lscpu"], "Model name"), f"scratch in {bench.work}"]
    if bench.device == "cuda":
        fields = "name,memory.total,driver_version,compute_cap,clocks.max.sm,power.limit"
        facts.insert(0, first_line(["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]))
    bench.say("PASS", "machine", "; ".join(facts))


def ask_doctor(bench, folder):
    """What the doctor of the gpttrain in this folder says, and its exit code."""
    log = bench.log(f"doctor-{folder.name}")
    log.unlink(missing_ok=True)
    code = bench.run(log.stem, [folder / "gpttrain", "doctor", "--json"], 180)
    words = log.read_text(errors="replace")
    # Warnings may stand before and after it, on stderr.
    start = words.find("\n{") + 1
    try:
        return json.JSONDecoder().raw_decode(words, start)[0], code
    except ValueError:
        return None, code


def trouble_of(bench, folder):
    """Why the gpttrain in this folder is of no use here, or None."""
    program = folder / "gpttrain"
    if not program.exists():
        return f"there is no {program}"
    for path in (program, folder / "tests" / "gpu_test"):
        with contextlib.suppress(OSError):  # what was carried may have lost it on the way
            path.chmod(0o755)
    try:
        found, code = bench.doctor = ask_doctor(bench, folder)
    except OSError as error:
        return f"does not start: {error}"
    if not found:
        return f"does not start, exit code {code}: {bench.last_line(f'doctor-{folder.name}')}"
    if bench.device == "cuda" and not found["gpu"]["usable"]:
        findings = "; ".join(finding["what"] for finding in found["verdict"]["findings"])
        return f"sees no usable GPU: {findings}"
    return None


SEES_GPU = "import torch; torch.cuda.init(); print(torch.cuda.get_device_name())"  # or says why not


def programs(bench):
    """The folder whose gpttrain runs here: carried, else built here. On a GPU's check it sees one."""
    if bench.programs:
        return bench.programs
    if bench.programs is False:
        raise bench.skip("there is no gpttrain that works here")
    bench.programs = False  # until one is found
    bench.ends = bench.whole_end  # no step has counted on what follows
    if bench.prebuilt:
        trouble = trouble_of(bench, bench.prebuilt)
        if not trouble:
            bench.programs = bench.prebuilt
            return bench.programs
        bench.say("SKIP", "the prebuilt gpttrain", trouble)
    if bench.device == "cuda" and bench.run("torch", [bench.python, "-W", "ignore", "-c", SEES_GPU], 90):
        bench.verdict(False, "a usable GPU", f"PyTorch sees none either: {bench.last_line('torch')}")
        raise bench.skip("without a GPU nothing is checked")
    return build_here(bench)


def build_here(bench):
    before = time.monotonic()
    for name in ("gpttrain", "tests/gpu_test"):
        (bench.build / name).unlink(missing_ok=True)  # what does not build shall not be an older one
    incomplete = configure_and_build(bench, ["gpttrain"])
    trouble = trouble_of(bench, bench.build)  # it may be there though its tests do not build
    bench.verdict(not incomplete and not trouble, "a gpttrain built here",
                  incomplete or trouble or f"{time.monotonic() - before:.0f} s")
    if trouble:
        raise bench.skip("there is no gpttrain that works here")
    bench.programs = bench.build
    return bench.build


def packages(bench):
    """Where CMake finds the carried packages; given one by one, as no search path fits all."""
    if not bench.deps or not (bench.deps / "share" / "cmake").exists():
        return []
    places = {"nlohmann_json": "share/cmake/nlohmann_json", "CLI11": "share/cmake/CLI11"}
    for name in ("spdlog", "fmt", "GTest"):
        places[name] = f"lib/x86_64-linux-gnu/cmake/{name}"
    return [*(f"-D{name}_DIR={bench.deps / place}" for name, place in places.items()),
            f"-DCMAKE_INCLUDE_PATH={bench.deps / 'include'}",  # for those without CMake files
            f"-DCMAKE_LIBRARY_PATH={bench.deps / 'lib' / 'x86_64-linux-gnu'}"]


def architecture():
    """Of this card alone: four take four times as long."""
    found = first_line(["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"])
    known = re.fullmatch(r"(\d+)\.(\d)", found)
    return [f"-DGPTTRAIN_CUDA_ARCHITECTURES={known[1]}{known[2]}"] if known else []


def configure_and_build(bench, targets):
    """What went wrong, or None. Without warnings: another compiler has other ones than Debian's."""
    if not bench.torch:
        return f"{bench.python} has no PyTorch"
    gpu = bench.device == "cuda"
    configure = ["cmake", "-G", "Ninja", "-S", bench.root, "-B", bench.build,
                 "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DCMAKE_CXX_FLAGS=-w", *packages(bench),
                 *(["-DCMAKE_CUDA_FLAGS=-w -Xcompiler=-w", *architecture()] if gpu else []),
                 f"-DGPTTRAIN_TORCH={bench.torch}", f"-DGPTTRAIN_CUDA={'ON' if gpu else 'AUTO'}"]
    make = ["cmake", "--build", bench.build, "-j", bench.cores, "--target", *targets,
            *(["gpu_test"] if gpu else []), "--", "-k", "0"]
    for what, command, limit in (("cmake could not configure", configure, 180),
                                 ("it does not build", make, 900)):
        if bench.run("build", command, limit):
            words = re.findall(r".*(?:error|Error).*", bench.words("build"))
            return f"{what}: {' '.join(words[:1])[:300] or bench.last_line('build')}"
    return None


def build(bench):
    build_here(bench)
    size = (bench.programs / "gpttrain").stat().st_size >> 20
    bench.say("PASS", "size", f"{size} MiB")


def doctor(bench):
    """Everything after it counts on a GPU that gpttrain can use."""
    folder = programs(bench)
    found, code = bench.doctor
    cards = ", ".join(f"{card['name']}, {card['total'] / 2**30:.1f} GiB" for card in found["gpu"]["cards"])
    problems = [f"{finding['level']}: {finding['what']}" for finding in found["verdict"]["findings"]]
    bench.verdict(code == 0, "doctor", "; ".join([
        found["program"].splitlines()[0], f"in {os.path.relpath(folder)}",
        f"{found['gpu']['usable']} usable cards ({cards or 'none'})", *problems]))


STEPS = [
    ("doctor", "a gpttrain that starts here and sees the GPU; builds one if need be", 20, doctor),
    ("machine", "GPU, driver, PyTorch, compilers", 4, machine),
    ("build", "configure and build gpttrain, and the tests of tests/gpu", 240, build),
]
