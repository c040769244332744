"""What scripts/gpu_check says of programs that fail in known ways: stand-ins, no GPU, no PyTorch."""

import contextlib
import io
import json
import os
import pathlib
import sys
import tempfile
import time
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "scripts" / "bench"))
import gpu_check
import gpu_runs

GPTTRAIN = """#!{python}
import json, pathlib, subprocess, sys, time
mode = pathlib.Path(__file__).with_name("mode").read_text()
verb, keys = sys.argv[1], dict(flag[2:].partition("=")[::2] for flag in sys.argv[2:])
if verb == "doctor":
    print(json.dumps({{"program": "fake", "verdict": {{"findings": []}}, "gpu": {{
        "usable": int(mode != "no card"), "cards": []}}}}, indent=1))
    sys.exit()
device = "cpu" if mode == "falls back" else keys["device"].replace("cuda", "cuda:0")
if mode == "falls back":
    print("warning: device=cuda was asked for, but no GPU is usable; the CPU is used")
print(f"gpttrain 0.1.0: {{device}} (Fake), {{keys['dtype']}}, 1 thread(s)", flush=True)
if mode == "hangs":
    child = subprocess.Popen(["sleep", "600"])
    pathlib.Path(__file__).with_name("child").write_text(str(child.pid))
    time.sleep(600)
if mode == "fails":
    sys.exit("out of luck")
out = pathlib.Path(keys["out_dir"])
out.mkdir(exist_ok=True)
off = 0.5 if mode == "differs" and keys.get("recompute") == "block" else 0
with (out / "metrics.jsonl").open("w") as file:
    for step in range(3):
        entry = {{"event": "train", "iter": step, "loss": 4 - step + off, "ms": 1, "time": time.time()}}
        file.write(json.dumps(entry) + "\\n")
"""

GPU_TEST = """#!{python}
import json, os, pathlib, signal, sys
mode = pathlib.Path(__file__).parents[1].joinpath("mode").read_text()
keys = dict(flag[2:].partition("=")[::2] for flag in sys.argv[1:])
if mode == "dies" and "GpuGpt" in keys["gtest_filter"][:8]:
    print("[ RUN      ] GpuGpt.First\\n[       OK ] GpuGpt.First (1 ms)")
    print("[ RUN      ] GpuGpt.Second", flush=True)
    if "Second" not in keys["gtest_filter"]:
        os.kill(os.getpid(), signal.SIGABRT)
result = "SKIPPED" if mode == "skips" else "COMPLETED"
name = "Second" if "Second" in keys["gtest_filter"] else "Other"
pathlib.Path(keys["gtest_output"].removeprefix("json:")).write_text(json.dumps({{
    "testsuites": [{{"name": "GpuGpt", "testsuite": [{{"name": name, "result": result}}]}}]}}))
"""


class GpuCheck(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="gpttrain-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "tests").mkdir()
        for name, text in (("gpttrain", GPTTRAIN), ("tests/gpu_test", GPU_TEST)):
            path = self.folder / name
            path.write_text(text.format(python=sys.executable))
            path.chmod(0o755)

    def check(self, mode, *arguments):
        """The exit code and the verdicts."""
        (self.folder / "mode").write_text(mode)
        with (mock.patch.dict(os.environ, {"OUT": str(self.folder / "out")}),
              contextlib.redirect_stdout(io.StringIO())):
            code = gpu_check.main([f"--prebuilt={self.folder}", f"--build-dir={self.folder / 'b'}",
                                   "--small", *arguments])
        return code, (self.folder / "out" / "verdicts.txt").read_text().splitlines()

    def expect_failure(self, verdicts, words):
        failed = [line for line in verdicts if line.startswith("FAIL ")]
        self.assertTrue(failed and all(words in line for line in failed), verdicts)
        self.assertFalse([line for line in verdicts if line.startswith("PASS ")])

    def test_what_works_passes(self):
        code, verdicts = self.check("works", "gpu_tests", "recompute")
        self.assertEqual(code, 0, verdicts)
        self.assertEqual([line.split()[0] for line in verdicts],
                         ["PASS"] * 3 + ["DONE"] + ["PASS"] * 5 + ["DONE"])
        given_back = sorted(path.name for path in (self.folder / "out").iterdir())
        self.assertEqual(given_back, ["logs.tgz", "verdicts.txt"])

    def test_a_run_on_the_cpu_is_none_on_the_gpu(self):
        code, verdicts = self.check("falls back", "recompute")
        self.assertEqual(code, 1)
        self.expect_failure(verdicts, "does not say that it did")

    def test_a_run_that_fails_says_why(self):
        code, verdicts = self.check("fails", "recompute")
        self.assertEqual(code, 1)
        self.expect_failure(verdicts, "out of luck gpttrain failed with exit code 1")

    def test_a_run_that_hangs_is_ended_with_its_children(self):
        with mock.patch.object(gpu_runs, "LIMIT", 1):
            code, verdicts = self.check("hangs", "recompute")
        self.assertEqual(code, 1)
        self.expect_failure(verdicts, "did not end within 1 s")
        child = pathlib.Path("/proc", (self.folder / "child").read_text(), "cmdline")
        for _ in range(50):
            if not child.exists() or b"sleep" not in child.read_bytes():
                return
            time.sleep(0.1)
        self.fail("what the run had started is still there")

    def test_a_difference_is_one(self):
        code, verdicts = self.check("differs", "recompute")
        self.assertEqual(code, 1)
        self.assertEqual([line for line in verdicts if line.startswith("FAIL")], [verdicts[3]])
        self.assertIn("recompute=block: 3 losses, the largest difference is 5.0e-01", verdicts[3])

    def test_skipped_gpu_tests_fail(self):
        code, verdicts = self.check("skips", "gpu_tests")
        self.assertEqual(code, 1)
        self.expect_failure(verdicts, "skipped on a GPU: GpuGpt.Other")

    def test_a_test_that_dies_is_named_and_run_alone(self):
        code, verdicts = self.check("dies", "gpu_tests")
        self.assertEqual(code, 1)
        failed = [line for line in verdicts if line.startswith("FAIL ")]
        self.assertIn("2 tests, 1 failed, 0 skipped, exit code -6; GpuGpt.Second", failed[0])
        self.assertIn("GpuGpt.Second: alone: passes", failed[1])

    def test_without_a_card_nothing_passes(self):
        with mock.patch.object(sys, "executable", "/bin/false"):  # PyTorch sees none either
            code, verdicts = self.check("no card", "recompute", "gpu_tests")
        self.assertEqual(code, 1)
        self.expect_failure(verdicts, "a usable GPU")
        self.assertFalse([line for line in verdicts if line.startswith("DONE ")])

    def test_what_does_not_fit_is_skipped_and_goes_on_later(self):
        code, verdicts = self.check("works", "--budget=30", "recompute", "medium")
        self.assertEqual(code, 0)
        self.assertTrue(verdicts[-1].startswith("SKIP medium: takes about 260 s"), verdicts)
        after = self.folder / "before.txt"
        after.write_text("\n".join(verdicts) + "\n")
        code, verdicts = self.check("works", f"--after={after}", "recompute", "gpu_tests")
        self.assertEqual([line.split()[1].strip(",:") for line in verdicts if "DONE" in line],
                         ["recompute", "gpu_tests"])

    def test_a_step_that_hangs_leaves_time_for_others(self):
        steps = {name: (*step[:2], -6, *step[3:]) for name, step in gpu_check.KNOWN.items()}
        with mock.patch.object(gpu_check, "KNOWN", steps):  # ends after 2 s
            code, verdicts = self.check("hangs", "--budget=60", "doctor", "recompute", "gpu_tests")
        self.assertEqual(code, 1)
        failed = [line for line in verdicts if line.startswith("FAIL ")]
        self.assertEqual(len(failed), 1, verdicts)
        self.assertIn("the step took 2 s", failed[0])
        self.assertTrue(failed[0].startswith("FAIL recompute: gpttrain was cut off after"), verdicts)
        self.assertEqual(len([line for line in verdicts if line.startswith("PASS gpu_tests")]), 3)


if __name__ == "__main__":
    unittest.main()
