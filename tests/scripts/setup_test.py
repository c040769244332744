"""What scripts/setup and scripts/quickstart do on machines that are not this one: folders that stand for
/, and stand-ins for the programs that ask the machine. Nothing is installed."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What the scripts themselves call.
TOOLS = ("awk basename bash cat cut dirname env find flock grep head mkdir mktemp mv paste pwd rm sed"
         " sha256sum sort tail tr uname").split()
SMI = """#!/bin/bash
case $1 in
  --query-gpu=compute_cap) printf '{capabilities}' ;;
  --query-gpu=driver_version) echo {driver} ;;
esac
"""
OS_RELEASE = 'NAME="A system"\nID={}\nVERSION_ID="{}"\n'


class Machine(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="gpttrain-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve()
        self.system, self.bin = self.folder / "system", self.folder / "bin"
        self.system.mkdir()
        self.bin.mkdir()
        path = os.environ["PATH"]
        for tool in TOOLS:
            found = [pathlib.Path(part, tool) for part in path.split(":") if (pathlib.Path(part, tool)).exists()]
            (self.bin / tool).symlink_to(found[0])
        self.environment = {"PATH": str(self.bin), "GPTTRAIN_SYSTEM_ROOT": str(self.system),
                            "GPTTRAIN_CACHE": str(self.folder / "cache"), "LC_ALL": "C"}

    def file(self, name, text=""):
        path = self.system / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def program(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if text.startswith("#!") else f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)
        return path

    def nvcc(self, path, version):
        return str(self.program(self.folder / path, f"echo 'Cuda compilation tools, release {version}, V{version}.88'"))

    def card(self, driver="580.95.05", *capabilities):
        self.file("proc/driver/nvidia/version", f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {driver}  Wed\n")
        if capabilities:
            self.program(self.bin / "nvidia-smi",
                         SMI.format(capabilities="".join(f"{each}\\n" for each in capabilities), driver=driver))

    def card_on_bus(self):
        self.file("sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n")
        self.file("sys/bus/pci/devices/0000:01:00.0/class", "0x030000\n")

    def run_script(self, *command, **environment):
        done = subprocess.run([str(word) for word in command], env={**self.environment, **environment},
                              capture_output=True, text=True, timeout=120, cwd=self.folder)
        return done.returncode, done.stdout + done.stderr

    def bash(self, text, **environment):
        code, words = self.run_script("bash", "-c", f"source {ROOT}/scripts/common.sh\n{text}", **environment)
        return (code, words.strip())


class Cards(Machine):
    def test_the_cards_that_are_here_name_the_architectures(self):
        for capabilities, expected in ((["8.6"], "86-real"), (["12.0", "8.6", "8.6"], "86-real;120-real"),
                                       (["9.0", "13.0"], "90-real;120"), (["6.1", "7.5"], "75-real"),
                                       (["6.1"], ""), (["[N/A]"], "")):
            self.card("580.95.05", *capabilities)
            self.assertEqual(self.bash("card_architectures"), (0, expected), capabilities)
        (self.bin / "nvidia-smi").unlink()
        self.assertEqual(self.bash("card_architectures"), (0, ""))

    def test_a_release_build_is_for_them_or_for_all(self):
        self.program(self.bin / "cmake", f'printf "%s\\n" "$@" >{self.folder}/arguments')
        (self.folder / "build").mkdir()

        def flags(arguments="", **environment):
            code, words = self.bash(f"root={self.folder}; configure_release {arguments}", **environment)
            self.assertEqual(code, 0, words)
            given = (self.folder / "arguments").read_text().splitlines()
            return given[given.index("release") + 2:], words

        given, words = flags()
        self.assertEqual(given, ["-DGPTTRAIN_CUDA=OFF"])
        self.assertIn("no NVIDIA driver is here", words)
        all_of_them = ["-DGPTTRAIN_CUDA=ON", "-U", "GPTTRAIN_CUDA_ARCHITECTURES"]
        self.assertEqual(flags(GPTTRAIN_CUDA="ON")[0], all_of_them)
        self.card("580.95.05", "8.9")
        self.assertEqual(flags()[0], ["-DGPTTRAIN_CUDA=ON", "-DGPTTRAIN_CUDA_ARCHITECTURES=89-real"])
        self.assertEqual(flags("all")[0], all_of_them)
        self.assertEqual(flags(GPTTRAIN_CUDA="OFF"), (["-DGPTTRAIN_CUDA=OFF"], ""))
        code, words = self.bash("configure_release", GPTTRAIN_CUDA="yes")
        self.assertEqual(code, 2)
        self.assertIn("GPTTRAIN_CUDA is 'yes'", words)

    def quickstart(self, *arguments, **environment):
        """Up to its first step, which fails: the system is no known one."""
        return self.run_script(ROOT / "scripts/quickstart", *arguments, **environment)

    def test_a_card_that_cannot_be_used_is_no_reason_to_take_the_cpu(self):
        self.file("etc/os-release", OS_RELEASE.format("ubuntu", "24.04"))
        self.card_on_bus()
        code, words = self.quickstart()
        self.assertEqual(code, 2, words)
        self.assertIn("an NVIDIA card is here, but no driver; install driver 580 or later (sudo apt-get "
                      "install nvidia-driver-580) and restart the machine. Or train on the CPU: --device=cpu",
                      words)
        self.card("535.183.01")
        code, words = self.quickstart()
        self.assertEqual(code, 2, words)
        self.assertIn("the NVIDIA driver here is 535.183.01; install driver 580", words)

    def test_who_asks_for_the_cpu_or_has_a_card_goes_on(self):
        self.file("etc/os-release", OS_RELEASE.format("some", "1"))
        self.card_on_bus()
        goes_on = "does not know the packages of this system (some 1)"
        self.assertIn(goes_on, self.quickstart("--device=cpu")[1])
        self.assertIn(goes_on, self.quickstart(GPTTRAIN_CUDA="OFF")[1])
        self.card("580.95.05", "8.6")
        self.assertIn(goes_on, self.quickstart()[1])

    def test_the_open_driver_and_nvidia_smi_say_their_version(self):
        self.file("proc/driver/nvidia/version",
                  "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n")
        self.assertEqual(self.bash("driver_version"), (0, "580.65.06"))
        self.card("590.44.01", "8.6")
        self.assertEqual(self.bash("driver_version"), (0, "590.44.01"))

    def test_wsl2_has_windows_driver_or_none(self):
        self.file("dev/dxg")
        self.assertEqual(self.bash("has_driver"), (1, ""))  # a card of another maker
        self.file("usr/lib/wsl/lib/libcuda.so.1")
        self.program(self.system / "usr/lib/wsl/lib/nvidia-smi", SMI.format(capabilities="7.5\\n", driver="560.94"))
        self.assertEqual(self.bash("has_driver; card_architectures"), (0, "75-real"))
        code, words = self.quickstart()
        self.assertEqual(code, 2, words)
        self.assertIn("update NVIDIA's driver in Windows to 580", words)


class Nvcc(Machine):
    def found(self, **environment):
        cmake = next(str(path) for part in os.environ["PATH"].split(":")
                     if (path := pathlib.Path(part, "cmake")).exists())
        code, words = self.run_script(cmake, "-P", ROOT / "scripts/cmake/Nvcc.cmake", **environment)
        self.assertEqual(code, 0, words)
        return words.strip()

    def test_a_toolkit_of_the_users_goes_first_and_a_distributions_last(self):
        self.assertEqual(self.found(), "")
        self.nvcc("system/usr/bin/nvcc", "11.8")
        path = f"{self.system}/usr/bin:{self.bin}"
        self.assertEqual(self.found(PATH=path), "")
        distributions = self.nvcc("system/usr/bin/nvcc", "13.1")
        self.assertEqual(self.found(PATH=path), distributions)
        brought = self.nvcc("cache/venv/lib/python3.11/site-packages/nvidia/cu13/bin/nvcc", "13.0")
        self.assertEqual(self.found(PATH=path), brought)
        self.nvcc("system/usr/local/cuda-12.9/bin/nvcc", "12.9")
        self.nvcc("system/usr/local/cuda-13.0/bin/nvcc", "13.0")
        newest = self.nvcc("system/usr/local/cuda-13.10/bin/nvcc", "13.10")
        self.assertEqual(self.found(PATH=path), newest)
        usual = self.nvcc("system/usr/local/cuda/bin/nvcc", "13.0")
        self.assertEqual(self.found(PATH=path), usual)
        on_path = self.nvcc("bin/nvcc", "13.0")
        self.assertEqual(self.found(PATH=path), on_path)
        home = self.nvcc("home/bin/nvcc", "13.0")
        homes = {"PATH": path, "CUDA_HOME": str(self.folder / "home")}
        self.assertEqual(self.found(**homes), home)
        named = self.nvcc("named", "13.0")
        self.assertEqual(self.found(**homes, CUDACXX=named), named)
        self.assertEqual(self.found(**homes, CUDACXX="nvcc"), distributions)  # by its name, from PATH

    def test_an_older_one_is_passed_over(self):
        usual = self.nvcc("system/usr/local/cuda/bin/nvcc", "13.0")
        self.nvcc("bin/nvcc", "12.4")
        self.program(self.folder / "broken", "exit 1")
        self.assertEqual(self.found(CUDACXX=str(self.folder / "broken")), usual)


class Packages(Machine):
    def setUp(self):
        super().setUp()
        self.program(self.bin / "dpkg-query", "exit 1")  # nothing is installed
        self.program(self.bin / "apt-get", "echo the archive is closed; exit 1")

    def setup_script(self, system, version, *arguments):
        self.file("etc/os-release", OS_RELEASE.format(system, version))
        code, words = self.run_script(ROOT / "scripts/setup", *arguments)
        self.assertNotEqual(code, 0, words)
        return code, words

    def test_each_known_system_has_its_packages(self):
        for system, version, compiler, formatter in (
                ("debian", "12", "g++", True), ("debian", "13", "g++", False),
                ("ubuntu", "22.04", "g++-12", True), ("ubuntu", "24.04", "g++", True)):
            _, words = self.setup_script(system, version, "--with-tests")
            line = next(line for line in words.splitlines() if "installing" in line or "are missing" in line)
            self.assertIn(f" {compiler} cmake ninja-build ccache nlohmann-json3-dev libcli11-dev "
                          "libspdlog-dev libarchive-dev libzstd-dev liblzma-dev zlib1g-dev "
                          "libgtest-dev libgloo-dev python3 python3-venv", line)
            self.assertIn("openmpi-bin", line)
            self.assertIn("mpich", line)
            self.assertEqual("clang-format-14" in line, formatter, line)
            _, words = self.setup_script(system, version)
            self.assertNotIn("clang-format", words)
            self.assertNotIn("openmpi", words)

    def test_an_older_compiler_gives_way_to_gxx_12_where_that_is(self):
        self.program(self.bin / "c++", "echo 11")
        flags = 'compiler_flags; echo "${compiler[@]}"'
        self.assertEqual(self.bash(flags), (0, ""))
        self.program(self.bin / "g++-12", "")
        expected = "-DCMAKE_CXX_COMPILER=g++-12 -DCMAKE_CUDA_HOST_COMPILER=g++-12"
        self.assertEqual(self.bash(flags), (0, expected))
        self.assertEqual(self.bash(flags, CXX="clang++"), (0, ""))
        self.program(self.bin / "c++", "echo 13")
        self.assertEqual(self.bash(flags), (0, ""))

    def test_another_system_gets_the_list_of_what_is_missing(self):
        self.program(self.bin / "c++", "exit 1")
        code, words = self.setup_script("fedora", "43")
        self.assertEqual(code, 2, words)
        for missing in ("Ninja", "nlohmann/json 3.10", "CLI11 2.1", "spdlog 1.9", "GoogleTest 1.11", "gloo"):
            self.assertIn(f"  * {missing}", words)
        self.assertNotIn("* a C++20 compiler", words)

    def test_what_is_no_option_is_refused(self):
        for arguments in (["--gpu"], ["--relock", "--cuda"]):
            code, words = self.setup_script("debian", "12", *arguments)
            self.assertEqual(code, 2)
            self.assertIn("usage: scripts/setup [--with-tests] [--cuda] | --relock", words)


class Wheels(Machine):
    def test_a_wheel_is_unpacked_with_its_programs_and_deleted(self):
        wheels, target = self.folder / "wheels", self.folder / "packages"
        wheels.mkdir()
        with zipfile.ZipFile(wheels / "a-1-py3-none-any.whl", "w") as wheel:
            program = zipfile.ZipInfo("nvidia/cu13/bin/nvcc")
            program.external_attr = 0o100755 << 16
            wheel.writestr(program, "#!/bin/bash\n")
            wheel.writestr("nvidia/cu13/include/a.h", "// a\n")
        unpack = [sys.executable, ROOT / "scripts/unpack_wheels.py", wheels, target]
        self.assertEqual(self.run_script(*unpack), (0, ""))
        self.assertTrue(os.access(target / "nvidia/cu13/bin/nvcc", os.X_OK))
        self.assertFalse((target / "nvidia/cu13/include/a.h").stat().st_mode & 0o111)
        self.assertEqual(list(wheels.iterdir()), [])
        (wheels / "b-1-py3-none-any.whl").write_text("no zip file")
        code, words = self.run_script(*unpack)
        self.assertEqual(code, 1)
        self.assertIn("unpack_wheels: ", words)


if __name__ == "__main__":
    unittest.main()
