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
import gpu_build
import gpu_check
import gpu_runs
import gpu_speed
import sides

GPTTRAIN = """#!{python}
import json, pathlib, signal, subprocess, sys, time
mode = pathlib.Path(__file__).with_name("mode").read_text()
command, keys = sys.argv[1], dict(flag[2:].partition("=")[::2] for flag in sys.argv[2:])
if command == "doctor":
    card = {{"name": "NVIDIA H200", "total": 1 << 37}}
    print(json.dumps({{"program": "fake", "verdict": {{"findings": []}}, "gpu": {{
        "usable": int(mode != "no card"), "cards": [card]}}}}, indent=1))
    sys.exit()
if keys["device"] == "cuda:99":
    sys.exit(print("error: device=cuda:99: this machine has 1 GPU(s)", file=sys.stderr) or 2)
device = "cpu" if mode == "falls back" else keys["device"].replace("cuda", "cuda:0")
if mode == "falls back":
    print("warning: device=cuda was asked for, but no GPU is usable; the CPU is used")
print(f"gpttrain 0.1.0: {{device}} (Fake), {{keys['dtype']}}, 1 thread(s)", flush=True)
if command == "bench":
    print(json.dumps({{"median_ms": 1, "tokens_per_second": 1, "share_of_gemm": 1, "phases": {{}},
                      "gemm_flops_per_second": 1}}, indent=1))
    sys.exit()
if mode == "no graph" and "compile_mode" in keys:
    print("warning: compile_mode=reduce-overhead: the work was not recorded as a graph (no memory)")
if mode == "hangs" or mode == "one hangs" and keys.get("recompute") == "block":
    child = subprocess.Popen(["sleep", "600"])
    pathlib.Path(__file__).with_name("child").write_text(str(child.pid))
    time.sleep(600)
if mode == "fails":
    sys.exit("out of luck")
out, last = pathlib.Path(keys["out_dir"]), int(keys["max_iters"])
out.mkdir(exist_ok=True)
if last > 1000:  # is to be stopped
    signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGTERM}})
    print("iter 20:", flush=True)
    signal.sigwait({{signal.SIGTERM}})
    if mode == "ignores":
        time.sleep(600)
    (out / "step_00000021").mkdir()
    sys.exit(75)
off = 0.5 if mode == "differs" and keys.get("recompute") == "block" else 0
resumed = keys.get("init_from") == "resume"
with (out / "metrics.jsonl").open("a" if resumed else "w") as file:
    def write(event, **entry):
        file.write(json.dumps({{"event": event, **entry}}) + "\\n")
    for step in range(6 if resumed else 0, last + 1):
        if step % int(keys["eval_interval"]) == 0:
            write("eval", iter=step, **{{"train/loss": 4, "val/loss": 4}})
        write("train", iter=step, loss=4 - step + off, ms=1, time=time.time(), peak_memory_mib=1)
    for of in ("training", "evaluation"):
        write("memory", of=of, predicted_mib=1, measured_mib=1)
(out / f"step_{{last + 1:08}}").mkdir(exist_ok=True)
(out / f"step_{{last + 1:08}}" / "model.safetensors").touch()
kernel = {{"cat": "kernel", "name": "gemm", "dur": 1}}
(out / "trace.json").write_text(json.dumps({{"traceEvents": [kernel]}}))
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
                                   *arguments])
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

    def test_every_step_has_its_say_on_a_gpu(self):
        record = {"iterations": [{"iter": i, "loss": 4 - i, "ms": 2, "time": 1} for i in range(61)],
                  "evaluations": [{"iter": i, "train": 4, "val": 4} for i in (0, 20, 40, 60)],
                  "peak_reserved_bytes": 4 << 20}
        steps = [step for step in gpu_check.ORDER if step != "sanitizer"]
        with mock.patch.object(sides.Sides, "reference", return_value=record):
            code, verdicts = self.check("works", *steps)
        self.assertEqual(code, 0, verdicts)
        self.assertEqual([line.split()[1] for line in verdicts if line.startswith("DONE ")],
                         [f"{step}:" for step in steps])
        others = [line for line in verdicts if not line.startswith(("PASS ", "DONE "))]
        self.assertEqual([line.split(":")[0] for line in others], ["UNCLEAR phases"], others)
        self.assertIn("PASS speed, 124M, batch 16 x 1024, NVIDIA H200: 16,384,000 tokens/s (the "
                      "design's aim: 600,000)", verdicts)

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
        for _ in range(600):  # the machine may be busy
            if not child.exists() or b"sleep" not in child.read_bytes():
                return
            time.sleep(0.1)
        self.fail("what the run had started is still there")

    def test_a_difference_is_one(self):
        code, verdicts = self.check("differs", "recompute")
        self.assertEqual(code, 1)
        self.assertEqual([line for line in verdicts if line.startswith("FAIL")], [verdicts[3]])
        self.assertIn("recompute=block: 69 losses, the largest difference is 5.0e-01", verdicts[3])

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
        self.assertTrue(verdicts[-1].startswith("SKIP medium: takes about 150 s"), verdicts)
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
        self.assertEqual(len(failed), 5, verdicts)
        self.assertIn("recompute=gelu: gpttrain was cut off after", failed[0])
        self.assertEqual(len([line for line in verdicts if line.startswith("PASS gpu_tests")]), 3)
        self.assertTrue([line for line in verdicts if line.startswith("DONE recompute: ")], verdicts)

    def test_a_run_that_hangs_takes_no_other_verdict_away(self):
        steps = {name: (*step[:2], -6, *step[3:]) for name, step in gpu_check.KNOWN.items()}
        with mock.patch.object(gpu_check, "KNOWN", steps):
            code, verdicts = self.check("one hangs", "--budget=60", "doctor", "recompute")
        self.assertEqual(code, 1)
        failed = [line for line in verdicts if line.startswith("FAIL ")]
        self.assertEqual(len(failed), 1, verdicts)
        self.assertIn("recompute=block: gpttrain was cut off after", failed[0])
        self.assertEqual(len([line for line in verdicts if line.startswith("PASS recompute")]), 4)

    def test_when_the_budget_ends_a_step_it_is_for_the_next_call(self):
        steps = {name: (*step[:2], 1, *step[3:]) for name, step in gpu_check.KNOWN.items()}
        with mock.patch.object(gpu_check, "KNOWN", steps):
            code, verdicts = self.check("hangs", "--budget=4", "doctor", "recompute", "stop")
        self.assertEqual(code, 0, verdicts)
        self.assertTrue(verdicts[2].startswith("SKIP recompute: "), verdicts)
        self.assertIn("the budget of 4 s", verdicts[2])
        self.assertEqual(len([line for line in verdicts if line.startswith("DONE ")]), 1, verdicts)

    def test_a_stop_that_the_budget_cuts_off_is_no_failure(self):
        steps = {name: (*step[:2], 1, *step[3:]) for name, step in gpu_check.KNOWN.items()}
        with mock.patch.object(gpu_check, "KNOWN", steps):
            code, verdicts = self.check("ignores", "--budget=4", "doctor", "stop")
        self.assertEqual(code, 0, verdicts)
        self.assertTrue(verdicts[2].startswith("SKIP stop: "), verdicts)

    def test_what_was_measured_is_judged_though_time_is_up(self):
        with mock.patch.object(sides.Sides, "reference", side_effect=sides.OutOfTime("no time")):
            code, verdicts = self.check("works", "--small", "speed")
        self.assertEqual(code, 0, verdicts)
        self.assertIn("UNCLEAR speed, 124M, batch 2 x 64: tokens/s fused 128,000; eager 128,000",
                      verdicts[0])

    def test_rates_are_judged_by_the_slower_and_the_faster_run(self):
        for fused, compiled, eager, expected in (
                ([150, 160], 100, 50, "PASS"), ([110, 120], 100, 50, "SHORT"),
                ([90, 95], 100, 50, "FAIL"), ([130, 150], 100, 50, "UNCLEAR"),
                ([150], None, 50, "UNCLEAR"), ([40], None, 50, "FAIL"), ([], 100, 50, "UNCLEAR")):
            rates = {"fused": fused, "PyTorch compiled": [compiled], "PyTorch eager": [eager]}
            bench = mock.Mock(small=False)
            gpu_speed.compare_rates(bench, "124M", {side: found for side, found in rates.items()
                                                    if found and found[0]})
            self.assertEqual(bench.say.call_args[0][0], expected, (fused, compiled))

    def test_a_run_without_the_graphs_it_was_asked_for_fails(self):
        code, verdicts = self.check("no graph", "recompute")
        self.assertEqual(code, 1)
        failed = [line for line in verdicts if line.startswith("FAIL ")]
        self.assertEqual(len(failed), 1, verdicts)
        self.assertIn("compile_mode=reduce-overhead: gpttrain", failed[0])
        self.assertIn("was to replay graphs", failed[0])

    def test_a_refusal_is_one_line(self):
        code, verdicts = self.check("works", "refusal")
        self.assertEqual(code, 0)
        self.assertEqual(verdicts[0], "PASS refusal, device=cuda:99: exit code 2: error: "
                                      "device=cuda:99: this machine has 1 GPU(s)")

    def test_a_sanitizer_that_saw_no_test_does_not_pass(self):
        tool = self.folder / "compute-sanitizer"
        for words, expected in (("========= ERROR SUMMARY: 0 errors", "FAIL"),
                                ("========= Error: Device not supported", "SKIP"),
                                ("[       OK ] A.B\n========= ERROR SUMMARY: 0 errors", "PASS")):
            tool.write_text(f"#!/bin/sh\necho '{words}'\n")
            tool.chmod(0o755)
            path = f"{self.folder}:{os.environ['PATH']}"
            with mock.patch.dict(os.environ, {"PATH": path}):
                _, verdicts = self.check("works", "sanitizer")
            self.assertEqual([line.split()[0] for line in verdicts], [expected] * 2 + ["DONE"])

    def test_a_program_that_builds_is_checked_though_its_tests_do_not_build(self):
        def build(bench, _):
            program = bench.build / "gpttrain"
            program.write_text(GPTTRAIN.format(python="/usr/bin/env python3"))
            program.chmod(0o755)
            (bench.build / "mode").write_text("works")
            return "it does not build: error"

        with (mock.patch.object(gpu_build, "configure_and_build", build),
              mock.patch.object(sys, "executable", "/bin/true")):
            code, verdicts = self.check("no card", "recompute")
        self.assertEqual(code, 1)
        self.assertEqual([line.split()[0] for line in verdicts],
                         ["SKIP", "FAIL"] + ["PASS"] * 5 + ["DONE"])


if __name__ == "__main__":
    unittest.main()
