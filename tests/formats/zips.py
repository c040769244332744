"""make DIR: writes archives with Python's zipfile. check FILE: reads one with it, every byte.

Every archive holds "a/one" (b"hello"), "a/empty" and "a/two" (300 bytes, i % 251).
"""
import io
import pathlib
import sys
import zipfile

CONTENTS = {"a/one": b"hello", "a/empty": b"", "a/two": bytes(i % 251 for i in range(300))}


class Pipe(io.RawIOBase):
    """Cannot seek, so that zipfile writes sizes behind the data."""

    def __init__(self):
        self.bytes = b""

    def writable(self):
        return True

    def write(self, data):
        self.bytes += bytes(data)
        return len(data)


def fill(target, zip64=False, method=zipfile.ZIP_STORED, comment=b""):
    with zipfile.ZipFile(target, "w", method) as archive:
        archive.comment = comment
        for name, data in CONTENTS.items():
            with archive.open(name, "w", force_zip64=zip64) as entry:
                entry.write(data)


def make(folder):
    fill(folder / "plain.zip")
    fill(folder / "zip64.zip", zip64=True)
    fill(folder / "comment.zip", comment=b"PK\5\6 is how an end begins")
    fill(folder / "deflated.zip", method=zipfile.ZIP_DEFLATED)
    for name, zip64 in (("streamed.zip", False), ("streamed64.zip", True)):
        pipe = Pipe()
        fill(pipe, zip64=zip64)
        (folder / name).write_bytes(pipe.bytes)


def check(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {i.filename: archive.read(i) for i in archive.infolist()} == CONTENTS
        print(*(f"{i.filename}:{i.extract_version}:{i.header_offset}" for i in archive.infolist()))


if sys.argv[1] == "make":
    make(pathlib.Path(sys.argv[2]))
else:
    check(sys.argv[2])
