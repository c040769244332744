"""Each lint check fails on a planted violation and passes without it."""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import lint

CLANG_FORMAT = "clang-format-14"
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


class LintTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="gpttrain-lint-")
        self.root = pathlib.Path(self.folder.name)
        self.addCleanup(self.folder.cleanup)

    def plant(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def assert_one(self, complaints, where, what):
        self.assertEqual(len(complaints), 1, complaints)
        self.assertIn(where, complaints[0])
        self.assertIn(what, complaints[0])

    def test_includes_pointing_down_pass(self):
        self.plant("src/model/a.cpp", '#include "gpt/kernels/x.h"\n#include "gpt/model/a.h"\n#include "local.h"\n')
        self.plant("tests/model/a_test.cpp", '#include "gpt/base/x.h"\n#include "support/near.h"\n')
        self.assertEqual(lint.check_layers(self.root), [])

    def test_upward_include_fails(self):
        self.plant("src/base/a.cpp", '#include <string>\n#include "gpt/config/x.h"\n')
        self.assert_one(lint.check_layers(self.root), "src/base/a.cpp:2", "lower layer")

    def test_sideways_include_fails_in_headers_and_tests(self):
        self.plant("include/gpt/optim/a.h", '  #  include "gpt/model/x.h"\n')
        self.plant("tests/text/a_test.cpp", '#include "gpt/formats/x.h"\n')
        self.assertEqual(len(lint.check_layers(self.root)), 2)

    def test_angle_brackets_do_not_hide_an_include(self):
        self.plant("src/base/a.cpp", "#include <gpt/train/x.h>\n")
        self.assert_one(lint.check_layers(self.root), "src/base/a.cpp:1", "lower layer")

    def test_unknown_module_fails(self):
        self.plant("src/attic/a.cpp", "")
        self.assert_one(lint.check_layers(self.root), "src/attic/a.cpp:1", "no known module")

    def test_private_header_of_another_module_fails(self):
        self.plant("src/model/a.cpp", '#include "../kernels/cuda/launch.h"\n')
        self.plant("tests/kernels/a_test.cpp", '#include "../../src/kernels/cuda/launch.h"\n')
        self.assert_one(lint.check_layers(self.root), "src/model/a.cpp:1", "reaches into")

    def test_private_headers_of_sub_folders_are_their_modules(self):
        self.plant("src/kernels/gemm/amx/a.cpp", '#include "kernels/cpu/x.h"\n#include "../y.h"\n')
        self.plant("tests/kernels/gemm/a_test.cpp", '#include "kernels/gemm/x.h"\n')
        self.plant("tests/emulation/a_test.cpp", '#include "kernels/cuda/x.h"\n#include "device/y.h"\n')
        self.assertEqual(lint.check_layers(self.root), [])
        self.plant("src/model/a.cpp", '#include "kernels/gemm/x.h"\n')
        self.assert_one(lint.check_layers(self.root), "src/model/a.cpp:1", "reaches into")

    def test_test_helper_in_a_source_fails(self):
        self.plant("src/model/a.cpp", '#include "support/near.h"\n')
        self.assert_one(lint.check_layers(self.root), "src/model/a.cpp:1", "helper of the tests")

    def test_torch_in_a_torch_free_module_fails(self):
        self.plant("src/model/a.cpp", "#include <ATen/ATen.h>\n")
        self.plant("src/formats/a.cpp", "#include <c10/core/ScalarType.h>\n")
        self.assert_one(lint.check_libraries(self.root), "src/formats/a.cpp:1", "free of Torch")

    def test_spdlog_outside_the_log_fails(self):
        self.plant("src/base/log.cpp", "#include <spdlog/spdlog.h>\n")
        self.plant("src/base/files.cpp", "#include <spdlog/spdlog.h>\n")
        self.assert_one(lint.check_libraries(self.root), "src/base/files.cpp:1", "log.cpp")

    def test_json_in_a_header_fails(self):
        self.plant("src/config/a.cpp", "#include <nlohmann/json.hpp>\n")
        self.plant("include/gpt/config/a.h", "#include <nlohmann/json_fwd.hpp>\n#include <CLI/CLI.hpp>\n")
        self.assert_one(lint.check_libraries(self.root), "include/gpt/config/a.h:2", "in a header")

    def test_torch_in_a_cuda_file_fails(self):
        self.plant("src/kernels/a.cu", "#include <c10/cuda/CUDAException.h>\n")
        self.assert_one(lint.check_libraries(self.root), "src/kernels/a.cu:1", "plain pointers")

    def archive(self, text):
        source = self.plant("a.cpp", text)
        subprocess.run(["c++", "-c", source, "-o", self.root / "a.o"], check=True)
        subprocess.run(["ar", "rc", self.root / "liba.a", self.root / "a.o"], check=True)
        return [str(self.root / "liba.a")]

    def test_archive_that_needs_torch_fails(self):
        archive = self.archive("namespace c10 { void warn(); }\nvoid f() { c10::warn(); }\n")
        self.assert_one(lint.check_archives(archive), "liba.a", "c10::warn()")

    def test_archive_without_torch_passes(self):
        archive = self.archive("namespace format { void warn(); }\nvoid f() { format::warn(); }\n")
        self.assertEqual(lint.check_archives(archive), [])

    def test_links_that_lead_somewhere_pass(self):
        self.plant("configs/README.md", "# Options: what `a` is\n\nUp: [top](../README.md).\n")
        self.plant("README.md", "[options](configs/README.md#options-what-a-is), [the web](https://x.org/y),\n"
                   "[folder](configs), `[code](nowhere)`\n\n    [more](code)\n\n```\n[a](b)\n```\n\n## Below\n[there](#below)\n")
        self.assertEqual(lint.check_links(self.root), [])

    def test_link_to_a_missing_file_fails(self):
        self.plant("src/README.md", "See\n[the model](modle/README.md).\n")
        self.assert_one(lint.check_links(self.root), "src/README.md:2", "leads nowhere")

    def test_link_to_a_missing_heading_fails(self):
        self.plant("README.md", "# One\n[two](#two)\n")
        self.assert_one(lint.check_links(self.root), "README.md:2", "no heading '#two'")

    def test_script_that_reaches_out_of_the_clone_fails(self):
        self.plant("scripts/a", "source x/../common.sh\ntext=$root/../data/text.txt\n")
        self.assert_one(lint.check_links(self.root), "scripts/a:2", "stands alone")

    def test_link_out_of_the_clone_fails(self):
        self.plant("tests/README.md", "[elsewhere](../../x.md)\n")
        self.assert_one(lint.check_links(self.root), "tests/README.md:1", "out of the clone")

    @unittest.skipUnless(shutil.which(CLANG_FORMAT), f"{CLANG_FORMAT} is not installed")
    def test_unformatted_file_fails(self):
        shutil.copy(REPOSITORY / ".clang-format", self.root)
        path = self.plant("src/base/a.cpp", "int x = 1;\n")
        self.assertEqual(lint.check_format(self.root, CLANG_FORMAT), [])
        path.write_text("int  x = 1;\n", encoding="utf-8")
        self.assertIn("a.cpp:1", lint.check_format(self.root, CLANG_FORMAT)[0])

    def test_file_sizes(self):
        limit = lint.MAX_FILE_LINES
        for name in ("include/gpt/base/a.h", "src/base/a.cpp", "tests/base/a_test.cpp"):
            with self.subTest(name):
                path = self.plant(name, "#pragma once\n" + "\n" * (limit - 1))
                self.assertEqual(lint.check_sizes(self.root), [])
                path.write_text("#pragma once\n" + "\n" * limit, encoding="utf-8")
                self.assert_one(lint.check_sizes(self.root), name, f"{limit + 1} lines")
                path.unlink()

    def test_headers_of_templates_may_be_longer(self):
        path = self.plant("include/gpt/base/a.h", "#pragma once\ntemplate <class T>\n" + "\n" * lint.MAX_FILE_LINES)
        self.assertEqual(lint.check_sizes(self.root), [])
        path.rename(path.with_suffix(".cpp"))
        self.assert_one(lint.check_sizes(self.root), "a.cpp", f"{lint.MAX_FILE_LINES + 2} lines")

    def test_header_without_pragma_fails(self):
        self.plant("include/gpt/base/a.h", "int f();\n")
        self.assert_one(lint.check_sizes(self.root), "a.h:1", "#pragma once")

    def test_function_length(self):
        head = "namespace gpt {\n\nvoid f(int a,\n       int b) {\n"
        fits = "  g();\n" * (lint.MAX_FUNCTION_LINES - 3)
        tail = "}\n\n}  // namespace gpt\n"
        path = self.plant("src/base/a.cpp", head + fits + tail)
        self.assertEqual(lint.check_sizes(self.root), [])
        path.write_text(head + fits + "#if 1\n" + tail, encoding="utf-8")
        self.assert_one(lint.check_sizes(self.root), "a.cpp:3", "61 lines")

    def test_long_member_function_fails(self):
        body = "    g();\n" * lint.MAX_FUNCTION_LINES
        self.plant("src/base/a.cpp", "struct A {\n  int x;\n  void f() {\n" + body + "  }\n};\n")
        self.assert_one(lint.check_sizes(self.root), "a.cpp:3", "62 lines")

    def test_header_that_needs_another_fails(self):
        path = self.plant("include/gpt/text/a.h", "#pragma once\nstd::string f();\n")
        self.assert_one(lint.check_headers(self.root, "c++"), "a.h:1", "compile alone")
        path.write_text("#pragma once\n#include <string>\nstd::string f();\n", encoding="utf-8")
        self.assertEqual(lint.check_headers(self.root, "c++"), [])

    def test_header_that_its_source_includes_first_is_left_to_the_build(self):
        path = self.plant("include/gpt/text/a.h", "#pragma once\nstd::string f();\n")
        source = self.plant("src/text/a.cpp", '#include "gpt/text/a.h"\n#include <string>\n')
        self.assertEqual(lint.check_headers(self.root, "c++"), [])
        source.write_text('#include <string>\n#include "gpt/text/a.h"\n', encoding="utf-8")
        self.assert_one(lint.check_headers(self.root, "c++"), "a.h:1", "compile alone")
        source.unlink()
        self.assert_one(lint.check_headers(self.root, "c++"), f"{path}:1", "compile alone")


if __name__ == "__main__":
    unittest.main()
