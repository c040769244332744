"""The steps of scripts/gpu_check that run the project's own tests."""

import json
import os
import re
import shutil

import gpu_build

# A CUDA error stays with its process, so each group is one of its own: what depends on the least
# comes first. The last takes every test that no other names.
GROUPS = {
    "kernels": "GpuFused.*:GpuCrossEntropy.*:GpuDropout.*:GpuLmHead.*",
    "models": "GpuGpt.*:GpuTensorEngine.*",
}
REST = "-" + ":".join(GROUPS.values())
RERUNS = 8


def results(path):
    """{test: what became of it} of a report by GoogleTest; {} if it was not written."""
    if not path.exists():
        return {}
    found = {}
    for suite in json.loads(path.read_text())["testsuites"]:
        for test in suite["testsuite"]:
            name = f"{suite['name']}.{test['name']}"
            found[name] = "FAILED" if "failures" in test else test["result"]
    return found


def from_words(words):
    """The same of what a process said that did not live to report."""
    found = {name: "DIED" for name in re.findall(r"^\[ RUN      \] (\S+)", words, re.M)}
    kinds = {"OK": "COMPLETED", "FAILED": "FAILED", "SKIPPED": "SKIPPED"}
    for kind, name in re.findall(r"^\[ +(OK|FAILED|SKIPPED) +\] (\w+\.[^\s,]+)", words, re.M):
        found[name] = kinds[kind]
    return found


def run_some(bench, name, chosen, limit):
    """The exit code, and what became of each test."""
    report = bench.logs / f"{name}.json"
    test = gpu_build.programs(bench) / "tests" / "gpu_test"
    code = bench.run(name, [test, f"--gtest_filter={chosen}", f"--gtest_output=json:{report}"], limit)
    found = results(report) or from_words(bench.words(name))
    return code, found


def first_failure(words):
    """What GoogleTest says of the first test that failed, or the process's last words."""
    found = re.search(r"^\S+:\d+: Failure\n((?:.+\n){1,6})|^(terminate called.*\n.*)", words, re.M)
    return (found[1] or found[2]) if found else words.strip()[-200:]


def one_group(bench, name, chosen):
    code, found = run_some(bench, f"gpu_tests-{name}", chosen, 120)
    words = bench.words(f"gpu_tests-{name}")
    bad = [test for test, result in found.items() if result in ("FAILED", "DIED")]
    skipped = [test for test, result in found.items() if result == "SKIPPED"]
    measured = f"{len(found)} tests, {len(bad)} failed, {len(skipped)} skipped, exit code {code}"
    if bench.device != "cuda" and found and len(skipped) == len(found) and not code:
        bench.say("SKIP", name, f"{measured}: there is no GPU")
    elif bad or code or not found:
        bench.verdict(False, name, f"{measured}; {' '.join(bad)}; {first_failure(words)[:300]}")
    elif skipped:
        bench.verdict(False, name, f"{measured}: skipped on a GPU: {' '.join(skipped)}")
    else:
        bench.verdict(True, name, measured)
    return bad


def gpu_tests(bench):
    if not (gpu_build.programs(bench) / "tests" / "gpu_test").exists():
        raise bench.skip("there is no gpu_test, which only builds with CUDA have")
    bad = []
    for name, chosen in {**GROUPS, "rest": REST}.items():
        bad += one_group(bench, name, chosen)
    # Each alone: is it the test, or what another has left behind?
    for test in bad[:RERUNS]:
        code, found = run_some(bench, f"gpu_tests-{test}", test, 60)
        alone = found.get(test) == "COMPLETED" and not code
        words = "passes" if alone else first_failure(bench.words(f"gpu_tests-{test}"))[:200]
        bench.verdict(False, test, f"alone: {words}")


def sanitizer(bench):
    """Accesses out of bounds and races in our kernels, where this machine's tool can see them."""
    tool = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    if bench.device != "cuda" or not os.path.exists(tool):
        raise bench.skip("there is no compute-sanitizer, or no GPU")
    test = gpu_build.programs(bench) / "tests" / "gpu_test"
    kernels = "--gtest_filter=GpuFused.LayerNorm*:GpuFused.Gelu*:GpuFused.Column*:GpuFused.Embedding*"
    for check in ("memcheck", "racecheck"):
        name = f"sanitizer-{check}"
        code = bench.run(name, [tool, "--tool", check, "--error-exitcode", "9", test, kernels], 150)
        words = bench.words(name)
        if code == 124:
            bench.say("SKIP", check, "not done in 150 s")
        elif "Device not supported" in words:  # as in some virtual machines
            bench.say("SKIP", check, "compute-sanitizer does not support this device")
        elif "[       OK ]" not in words:
            bench.verdict(False, check, f"no test ran: {bench.last_line(name)}")
        else:
            summary = re.findall(r"^========= (?:ERROR|RACECHECK) SUMMARY.*", words, re.M)
            bench.verdict(code == 0 and bool(summary), check, (summary or [bench.last_line(name)])[-1])


def all_tests(bench):
    """All tests but those of a GPU; for these everything is built, here."""
    trouble = gpu_build.configure_and_build(bench, ["all"])
    if trouble:
        bench.verdict(False, "build", trouble)
        return
    code = bench.run("tests", ["ctest", "--test-dir", bench.build, "--output-on-failure",
                               "--no-tests=error", "--timeout", 240, "-j", max(1, bench.cores // 2),
                               "-LE", "^(gpu|lint)$"], 900, OMP_NUM_THREADS="2")
    log = bench.words("tests")
    summary = re.findall(r"^\d+% tests passed.*", log, re.M) or [bench.last_line("tests")]
    failures = re.findall(r"\d+ - (\S+) \((?:Failed|Timeout|SEGFAULT|Subprocess aborted)", log)
    skipped = len(re.findall(r"\*\*\*Skipped", log))
    bench.verdict(code == 0, "tests", f"{summary[-1]}; {skipped} skipped; {' '.join(failures[:8])}")


STEPS = [
    ("gpu_tests", "the tests of tests/gpu: CUDA against CPU", 60, gpu_tests),
    ("sanitizer", "compute-sanitizer over the fused engine's kernels", 120, sanitizer),
    ("tests", "build and run all other tests of the project", 600, all_tests),
]
