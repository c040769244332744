"""tests/run_tests.py against a binary that speaks as GoogleTest does, and fails in all ways."""
import contextlib
import io
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import run_tests  # noqa: E402

BINARY = """#!{python}
import os, sys, time
names = [word[15:] for word in sys.argv if word.startswith("--gtest_filter=")][0].split(":")
with open(os.path.join(os.path.dirname(sys.argv[0]), "processes"), "a") as log:
    log.write(" ".join(names) + "\\n")
for name in names:
    print("[ RUN      ]", name, flush=True)
    kind = name.split(".")[1].split("/")[0]
    if kind == "Crashes":
        os.abort()
    if kind == "Exits":
        sys.exit(0)
    if kind == "Hangs":
        print("soon", flush=True)
        time.sleep(600)
    if kind == "Fails":
        print("a.cpp:7: Failure\\nhalf a line", end="")
        print("[  FAILED  ] " + name + ", where GetParam() = 3 (12 ms)", flush=True)
    elif kind == "Skips":
        print("[  SKIPPED ] " + name + " (0 ms)", flush=True)
    else:
        print("half a line" * (kind == "Talks") + "[       OK ] " + name + " (2 ms)", flush=True)
sys.exit(9 if "S.EndsBadly" in names else any(name.endswith("Fails") for name in names))
"""


class RunTestsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.binary = self.folder / "a_test"
        self.binary.write_text(BINARY.format(python=sys.executable))
        self.binary.chmod(0o755)

    def gtest(self, gtest_name, **properties):
        entry = {"name": f"a.{gtest_name}", "command": [str(self.binary), f"--gtest_filter={gtest_name}"],
                 "properties": [{"name": key, "value": value} for key, value in properties.items()]}
        return run_tests.test_of(entry)

    def run_all(self, tests):
        """{name: state}, and what was printed."""
        runner = run_tests.Runner("dev", len(tests), None)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            run_tests.work_off(run_tests.processes_of(tests, {}), runner.run, 2)
        self.results = runner.results
        return {result.test.name: result.state for result in runner.results}, printed.getvalue()

    def processes(self):
        return (self.folder / "processes").read_text().splitlines()

    def test_all_in_one_process_and_each_named(self):
        states, printed = self.run_all([self.gtest(name) for name in ("S.Works", "S.Talks", "P/S.Skips/0")])
        self.assertEqual(states, {"a.S.Works": "passed", "a.S.Talks": "passed", "a.P/S.Skips/0": "skipped"})
        self.assertEqual(self.processes(), ["S.Works S.Talks P/S.Skips/0"])
        for name in states:
            self.assertIn(f"{name} ...", printed)
        self.assertRegex(run_tests.summary(self.results, 1), r"^in 1 s \(\d+ s of processor time\)\n2 passed, 0 failed, 1 skipped$")

    def test_a_failure_shows_its_output_and_only_its_own(self):
        states, printed = self.run_all([self.gtest(name) for name in ("S.Works", "S.Fails", "S.Other")])
        self.assertEqual(states, {"a.S.Works": "passed", "a.S.Fails": "failed", "a.S.Other": "passed"})
        self.assertIn("a.cpp:7: Failure", printed)
        self.assertNotIn("[ RUN      ] S.Works", printed)
        self.assertRegex(run_tests.summary(self.results, 1),
                         "\nFAILED: a.S.Fails\n2 passed, 1 failed, 0 skipped$")

    def test_a_crash_fails_one_test_and_the_rest_run(self):
        for kind, words in (("S.Crashes", "SIGABRT"), ("S.Exits", "it ended the process")):
            with self.subTest(kind):
                states, printed = self.run_all([self.gtest(name) for name in ("S.Works", kind, "S.Other")])
                self.assertEqual(states, {"a.S.Works": "passed", f"a.{kind}": "failed", "a.S.Other": "passed"})
                self.assertIn(words, printed)
                self.assertEqual(self.processes()[-1], "S.Other")

    def test_a_test_that_hangs_is_ended_and_the_rest_run(self):
        states, printed = self.run_all([self.gtest(name, TIMEOUT=2.0) for name in ("S.Hangs", "S.Other")])
        self.assertEqual(states, {"a.S.Hangs": "failed", "a.S.Other": "passed"})
        self.assertIn("soon\nit took longer than 2 s", printed)

    def test_a_process_that_ends_badly_fails_though_its_tests_passed(self):
        states, printed = self.run_all([self.gtest("S.EndsBadly")])
        self.assertEqual(states, {"a.S.EndsBadly": "failed"})
        self.assertIn("its tests passed, but the process ended with exit code 9", printed)

    def test_what_must_not_share_a_process_does_not(self):
        tests = [self.gtest("S.Works"), self.gtest("S.Other", ENVIRONMENT=["A=1"]), self.gtest("S.Third")]
        tests[2].name = "base.Log.LevelsComeFromTheEnvironment"
        self.run_all(tests)
        self.assertEqual(sorted(self.processes()), ["S.Other", "S.Third", "S.Works"])

    def test_a_program_that_is_no_google_test(self):
        entries = {"ok": ["true"], "bad": ["false"], "skipped": ["sh", "-c", "exit 77"], "gone": ["/nowhere"]}
        tests = [run_tests.Test(name, command, {"SKIP_RETURN_CODE": 77}) for name, command in entries.items()]
        states, _ = self.run_all(tests)
        self.assertEqual(states, {"ok": "passed", "bad": "failed", "skipped": "skipped", "gone": "failed"})


if __name__ == "__main__":
    unittest.main()
