"""Unpacks wheels: unpack_wheels.py WHEELS FOLDER (see scripts/setup).

A wheel is a zip file whose files lie where they belong below site-packages. pip installs only what the
Python that it runs in can import; who links to a wheel's libraries, as C++ does, need not import it. Each
wheel is deleted when it is unpacked, since the disk need not hold all of it twice.
"""
import pathlib
import sys
import zipfile


def unpack(wheel, folder):
    with zipfile.ZipFile(wheel) as files:
        for entry in files.infolist():
            path = pathlib.Path(files.extract(entry, folder))
            if (entry.external_attr >> 16) & 0o111 and path.is_file():  # a program, which extract() forgets
                path.chmod(path.stat().st_mode | 0o111)


def main():
    wheels, folder = (pathlib.Path(argument) for argument in sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    for wheel in sorted(wheels.glob("*.whl")):
        unpack(wheel, folder)
        wheel.unlink()


try:
    main()
except (OSError, zipfile.BadZipFile) as error:
    sys.exit(f"unpack_wheels: {error}")
