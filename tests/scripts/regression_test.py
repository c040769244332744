"""What scripts/bench/regression says of times that are known."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "scripts" / "bench"))
import regression


def rounds(*pairs):
    return [{"before": before, "after": after} for before, after in pairs]


class Judge(unittest.TestCase):
    def test_a_steady_difference_is_one(self):
        slow = rounds(((10.0, 10.1), (11.0, 11.1)), ((10.0, 10.0), (11.0, 11.0)))
        self.assertEqual(regression.judge(slow, 0.02)["verdict"], "slower")
        self.assertAlmostEqual(regression.judge(slow, 0.02)["ratio"], 1.0997, places=3)
        fast = rounds(((11.0, 11.1), (10.0, 10.1)), ((11.0, 11.0), (10.0, 10.0)))
        self.assertEqual(regression.judge(fast, 0.02)["verdict"], "faster")

    def test_a_difference_within_the_floor_is_none(self):
        close = rounds(((10.0, 10.0), (10.1, 10.1)), ((10.0, 10.0), (10.1, 10.1)))
        self.assertEqual(regression.judge(close, 0.02)["verdict"], "the same")
        self.assertEqual(regression.judge(close, 0.005)["verdict"], "slower")

    def test_a_difference_within_what_one_side_varies_is_none(self):
        noisy = rounds(((10.0, 13.0), (12.0, 14.0)), ((10.0, 12.0), (11.5, 13.0)))
        self.assertEqual(regression.judge(noisy, 0.02)["verdict"], "the same")

    def test_rounds_that_contradict_each_other_are_noise(self):
        torn = rounds(((10.0, 10.0), (12.0, 12.0)), ((10.0, 10.0), (9.0, 9.0)),
                      ((10.0, 10.0), (10.5, 10.5)))
        result = regression.judge(torn, 0.02)
        self.assertEqual(result["verdict"], "the same")
        self.assertAlmostEqual(result["noise"], 0.15)


if __name__ == "__main__":
    unittest.main()
