"""Files of the catalogue: taken from folders that hold them, else downloaded once and verified."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.datasets.catalogue import File
from tasks.errors import BadInput

if TYPE_CHECKING:
    import httpx

Progress = Callable[[int, int | None], None]
"""Called with the bytes done and the bytes in all (None: unknown), for one file after the other."""

_CHUNK = 1 << 16
_TIMEOUT_SECONDS = 30.0  # until the next bytes, not for the whole file


def fetch(file: File, cache: Path, progress: Progress | None = None) -> Path:
    """Returns where `file` lies: in a folder of BAKEOFF_DATA or one level below it, or in `cache`; else downloads it
    there.

    Only a file with the right digest counts. A download has a temporary name until it is verified.

    Raises:
        BadInput: no address gives the file, or it can't be written. Nothing is left behind.
    """
    strangers = []
    for path, digest in _candidates(file, cache):
        if digest_of(path, digest) == digest:
            return path
        strangers.append(path)
    return _download(file, cache, progress, strangers)


def digest_of(path: Path, like: str) -> str:
    """The digest of a file's bytes, in the form (`sha256:HEX`, `md5:HEX`) of `like`."""
    algorithm = like.partition(":")[0]
    with open(path, "rb") as stream:
        return f"{algorithm}:{hashlib.file_digest(stream, algorithm).hexdigest()}"


def _candidates(file: File, cache: Path) -> Iterator[tuple[Path, str]]:
    """Files of the right name, each with the digest it must have."""
    folders = [Path(folder).expanduser() for folder in os.environ.get("BAKEOFF_DATA", "").split(os.pathsep) if folder]
    for form in (file, *file.instead):
        found = [path for folder in folders for path in (folder / form.name, *sorted(folder.glob(f"*/{form.name}")))]
        yield from ((path, form.digest) for path in (*found, cache / form.name) if path.is_file())


def _download(file: File, cache: Path, progress: Progress | None, strangers: list[Path]) -> Path:
    import httpx

    failures = []
    for address in file.addresses:
        try:
            return _download_from(address, file, cache, progress)
        except _WrongDigest as error:
            failures.append(f"{address} gives another file ({error})")
        except httpx.HTTPStatusError as error:
            failures.append(f"{address} answers {error.response.status_code} {error.response.reason_phrase}".strip())
        except httpx.HTTPError as error:
            failures.append(f"{address} {_failure(error)}")
        except OSError as error:
            raise BadInput(
                f"{file.name} can't be written",
                where=str(cache),
                got=error.strerror or str(error),
                remedy="make room or choose another folder with --home",
            ) from error
    failures += [f"{path} is another file" for path in strangers]
    raise BadInput(
        f"the file {file.name} was neither found nor downloaded",
        where="data.source",
        got="; ".join(failures) or "no address is known",
        accepted=f"a file with {file.digest.replace(':', ' ')}",
        remedy=(f"make it with: {file.made}; then " if file.made else "")
        + f"put {file.name} into a folder and name that folder in the environment variable BAKEOFF_DATA",
    )


class _WrongDigest(Exception):
    """The downloaded file has another digest than expected."""


def _download_from(address: str, file: File, cache: Path, progress: Progress | None) -> Path:
    import httpx

    cache.mkdir(parents=True, exist_ok=True)
    temporary = cache / f".{file.name}.{os.getpid()}"
    try:
        # The digest is of the bytes as stored, so no transfer encoding is asked for or undone.
        headers = {"Accept-Encoding": "identity"}
        with (
            httpx.stream("GET", address, headers=headers, follow_redirects=True, timeout=_TIMEOUT_SECONDS) as response,
            open(temporary, "wb") as stream,
        ):
            response.raise_for_status()
            for chunk in response.iter_raw(_CHUNK):
                stream.write(chunk)
                if progress:
                    progress(response.num_bytes_downloaded, _size(response))
        got = digest_of(temporary, file.digest)
        if got != file.digest:
            raise _WrongDigest(f"{temporary.stat().st_size:,} bytes, {got.replace(':', ' ')}")
        return temporary.replace(cache / file.name)
    finally:
        temporary.unlink(missing_ok=True)


def _size(response: httpx.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _failure(error: httpx.HTTPError) -> str:
    import httpx

    if isinstance(error, httpx.ConnectError):
        return f"can't be reached ({error})"
    if isinstance(error, httpx.TimeoutException):
        return f"does not answer within {_TIMEOUT_SECONDS:.0f} s"
    return f"broke off ({error})" if isinstance(error, httpx.TransportError) else f"failed ({error})"
