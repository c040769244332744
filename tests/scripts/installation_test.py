"""`cmake --install` for all users of a machine: another user, without a home, prepares, trains and samples.

    installation_test.py CMAKE BUILD_FOLDER"""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

CMAKE, BUILD = sys.argv.pop(1), sys.argv.pop(1)
NOBODY = 65534
MODEL = ("--device=cpu --n_layer=1 --n_head=1 --n_embd=16 --block_size=8 --batch_size=2 --max_iters=2"
         " --gradient_accumulation_steps=1 --eval_iters=1 --data_dir=data --dataset=text --out_dir=out").split()


class Installation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.holder = tempfile.TemporaryDirectory(prefix="gpttrain-")
        cls.folder = pathlib.Path(cls.holder.name)
        cls.prefix = cls.folder / "prefix"
        subprocess.run([CMAKE, "--install", BUILD, "--prefix", cls.prefix], check=True, stdout=subprocess.DEVNULL)
        cls.folder.chmod(0o755)

    @classmethod
    def tearDownClass(cls):
        cls.holder.cleanup()

    def setUp(self):
        self.other = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        self.work = self.folder / self.id().rpartition(".")[2]
        self.work.mkdir()
        (self.work / "text.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 40)
        if self.other:
            os.chown(self.work, NOBODY, NOBODY)

    def command(self, *arguments, **environment):
        done = subprocess.run([self.prefix / "bin/gpttrain", *arguments], cwd=self.work, capture_output=True,
                              text=True, env={"PATH": "/usr/bin:/bin", **environment}, **self.other)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("cannot", done.stderr)  # nothing of caches or homes
        return done.stdout

    def train_and_sample(self, **environment):
        self.command("prepare", "--tokenizer=char", "--out=data/text", "text.txt", **environment)
        self.assertIn("iter 2:", self.command("train", *MODEL, **environment))
        sampled = self.command("sample", "--device=cpu", "--out_dir=out", "--start=the", "--num_samples=1",
                               "--max_new_tokens=4", **environment)
        self.assertTrue(sampled.startswith("the"), sampled)

    def test_without_a_home(self):
        self.train_and_sample()

    def test_with_a_home_that_cannot_be_written(self):
        home = self.folder / "home"
        home.mkdir(mode=0o555)
        self.train_and_sample(HOME=str(home))
        self.assertEqual(list(home.iterdir()), [])

    def test_gpt2s_tokens_come_along(self):
        if not (self.prefix / "share/gpttrain/gpt2.tiktoken").exists():
            self.skipTest("the build's cache has no gpt2.tiktoken")
        self.command("prepare", "--tokenizer=gpt2", "--out=data/gpt2", "text.txt")

    def test_no_library_is_the_builders(self):
        listed = subprocess.run(["ldd", self.prefix / "bin/gpttrain"], capture_output=True, text=True, check=True)
        torch = [line for line in listed.stdout.splitlines() if "libtorch_cpu" in line]
        self.assertIn(str(self.prefix / "lib/gpttrain/torch/lib"), os.path.normpath(torch[0].split()[2]))
        self.assertNotIn("not found", listed.stdout)
        self.assertNotIn("site-packages", listed.stdout)


if __name__ == "__main__":
    unittest.main()
