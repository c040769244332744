"""The first steps of scripts/gpu_check: the machine, the build, the tests."""

import os
import pathlib
import re
import shutil
import subprocess
import time

import torch


def first_line(command, pattern="."):
    try:
        text = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return "none"
    return next((line.strip() for line in text.splitlines() if re.search(pattern, line)), "none")


def machine(bench):
    nvcc = shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
    facts = [f"PyTorch {torch.__version__}", first_line([nvcc, "--version"], "release"),
             first_line(["c++", "--version"]), first_line(["cmake", "--version"]),
             f"{len(os.sched_getaffinity(0))} cores", first_line(["lscpu"], "Model name")]
    if bench.device == "cuda":
        fields = "name,memory.total,driver_version,compute_cap"
        facts.insert(0, first_line(["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]))
    bench.say("PASS", "machine", "; ".join(" ".join(fact.split()) for fact in facts))


def packages(bench):
    """Where CMake finds the carried packages; given one by one, as no search path fits all."""
    if not bench.deps:
        return []
    places = {"nlohmann_json": "share/cmake/nlohmann_json", "CLI11": "share/cmake/CLI11"}
    for name in ("spdlog", "fmt", "GTest"):
        places[name] = f"lib/x86_64-linux-gnu/cmake/{name}"
    return [f"-D{name}_DIR={bench.deps / place}" for name, place in places.items()]


def configure_and_build(bench, flags):
    configure = ["cmake", "-G", "Ninja", "-S", bench.root, "-B", bench.build,
                 "-DCMAKE_BUILD_TYPE=RelWithDebInfo", *packages(bench), *flags,
                 f"-DGPTTRAIN_TORCH={pathlib.Path(torch.__file__).parent}",
                 f"-DGPTTRAIN_CUDA={'ON' if bench.device == 'cuda' else 'AUTO'}"]
    if bench.run("build", configure, timeout=180):
        return "cmake could not configure"
    jobs = len(os.sched_getaffinity(0))
    if bench.run("build", ["cmake", "--build", bench.build, "-j", jobs, "--", "-k", "0"], 560):
        return "it does not build"
    return None


def build(bench):
    before = time.monotonic()
    trouble = configure_and_build(bench, ["-DCMAKE_CXX_FLAGS="])
    seconds = time.monotonic() - before
    if trouble:
        log = (bench.logs / "build.log").read_text(errors="replace")
        words = re.findall(r".*(?:error|Error).*", log)
        bench.verdict(False, "build", f"{trouble}: {' '.join(words[:1])[:300]}")
        # Another compiler may warn where Debian's does not; the other steps need the program.
        if "-Werror=" in log:
            second = configure_and_build(bench, ["-DCMAKE_CXX_FLAGS=-w"])
            bench.say("FAIL" if second else "PASS", "build without warnings as errors",
                      second or "gpttrain and its tests")
        return
    bench.verdict(True, "build", f"{seconds:.0f} s; {bench.program.stat().st_size >> 20} MiB")


def run_tests(bench, name, label):
    bench.program  # the build
    tests = ["ctest", "--test-dir", bench.build, "--output-on-failure", "--no-tests=error",
             "--timeout", 240, "-j", max(1, len(os.sched_getaffinity(0)) // 2), *label]
    code = bench.run(name, tests, timeout=560, env={**os.environ, "OMP_NUM_THREADS": "2"})
    log = (bench.logs / f"{name}.log").read_text(errors="replace")
    summary = re.findall(r"^\d+% tests passed.*", log, re.M) or [bench.last_line(name)]
    failures = re.findall(r"\d+ - (\S+) \((?:Failed|Timeout|SEGFAULT|Subprocess aborted)", log)
    skipped = len(re.findall(r"\*\*\*Skipped", log))
    measured = f"{summary[-1]}; {skipped} skipped"
    bench.verdict(code == 0, name, measured + (f"; {' '.join(failures[:8])}" if failures else ""))


def gpu_tests(bench):
    if bench.device != "cuda":
        raise bench.skip("the tests of tests/gpu need a GPU")
    run_tests(bench, "gpu_tests", ["-L", "^gpu$"])


def sanitizer(bench):
    """Accesses out of bounds and races in our kernels, where this machine's tool can see them."""
    tool = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    if bench.device != "cuda" or not pathlib.Path(tool).exists():
        raise bench.skip("there is no compute-sanitizer, or no GPU")
    bench.program  # the build
    test = bench.build / "tests" / "gpu_test"
    kernels = "--gtest_filter=GpuFused.LayerNorm*:GpuFused.Gelu*:GpuFused.Column*:GpuFused.Embedding*"
    for check in ("memcheck", "racecheck"):
        name = f"sanitizer_{check}"
        code = bench.run(name, [tool, "--tool", check, "--error-exitcode", "9", test, kernels], 150)
        if code == 124:
            bench.say("SKIP", name, "not done in 150 s")
            continue
        bench.verdict(code == 0, name, bench.last_line(name))


def all_tests(bench):
    run_tests(bench, "tests", ["-LE", "^(gpu|lint)$"])


STEPS = [
    ("machine", "GPU, driver, PyTorch, compilers", machine),
    ("build", "configure and build everything, with CUDA", build),
    ("gpu_tests", "the tests of tests/gpu: CUDA against CPU", gpu_tests),
    ("sanitizer", "compute-sanitizer over the fused engine's kernels", sanitizer),
    ("tests", "all other tests of the project", all_tests),
]
