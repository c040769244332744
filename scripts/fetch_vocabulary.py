"""Fetches GPT-2's vocabulary: fetch_vocabulary.py FILE (see scripts/setup).

The file is part of a source archive in the package index that pip is configured for. pip's own
finder and session are used, so that its configuration (index, mirror, proxy, certificates) holds;
`pip download` would build the package's metadata, which runs code out of the archive. Nothing is run
here: the archive and the file are checked against the pins below, and only the file is kept.
"""
import hashlib
import io
import os
import pathlib
import sys
import tarfile
import tempfile

PACKAGE, VERSION = "openai-whisper", "20250625"  # MIT licence, (c) 2022 OpenAI
ARCHIVE_SHA256 = "37a91a3921809d9f44748ffc73c0a55c9f366c85a3ef5c2ae0cc09540432eb96"
MEMBER = "openai_whisper-20250625/whisper/assets/gpt2.tiktoken"
FILE_SHA256 = "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"


def download():
    """The source archive's bytes, fetched with pip's machinery: its parts that have not changed from pip 20
    to pip 25."""
    from pip._internal.commands import create_command
    from pip._vendor.packaging.specifiers import SpecifierSet

    command = create_command("download")
    with command.main_context():
        options, _ = command.parse_args(["--quiet", "--no-binary", PACKAGE, PACKAGE])
        session = command.get_default_session(options)
        finder = command._build_package_finder(options, session)
        found = finder.find_best_candidate(PACKAGE, SpecifierSet(f"=={VERSION}")).best_candidate
        if found is None:
            raise RuntimeError(f"the package index has no source archive of {PACKAGE} {VERSION}, or cannot be reached")
        answer = session.get(found.link.url_without_fragment, headers={"Accept-Encoding": "identity"})
        answer.raise_for_status()
        return answer.content


def checked(data, sha256, what):
    if hashlib.sha256(data).hexdigest() != sha256:
        raise RuntimeError(f"{what} is not the pinned one (its checksum differs); nothing of it was kept")
    return data


def main():
    target = pathlib.Path(sys.argv[1])
    archive = checked(download(), ARCHIVE_SHA256, f"the source archive of {PACKAGE}")
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as members:
            text = checked(members.extractfile(MEMBER).read(), FILE_SHA256, MEMBER)
        fresh = pathlib.Path(folder, target.name)
        fresh.write_bytes(text)
        os.replace(fresh, target)


try:
    main()
except Exception as error:  # pip's own errors have no common base, and its modules may have changed
    sys.exit(f"{type(error).__name__}: {error}")
