"""Files from the network: to a temporary name, resumed, checked against a digest, then renamed."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from edaphos_bridge.basics.interrupts import at_once
from edaphos_bridge.errors import DownloadError

PAUSES = (1.0, 2.0, 4.0)
"""Seconds before the second, third, ... attempt."""
MOST_BYTES = 2**30
_CHUNK = 2**16
_WORTH_ANOTHER_TRY = {408, 425, 429, 500, 502, 503, 504}


class _BrokenOff(Exception):  # noqa: N818
    """An attempt that ended early; what has arrived stays for the next."""


def sha256_of(path: Path) -> str:
    """Return the SHA-256 digest of a file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def download(
    url: str, target: Path, sha256: str, timeout_sec: float, say: Callable[[str], None]
) -> None:
    """Put the file at `url` in place as `target`, whole and checked, or not at all.

    Several processes may do so at once: each writes under a name of its own, and the last rename
    wins with the same content. The folder of the target is made. After `timeout_sec` seconds
    without a byte an attempt is given up, and a new one goes on where it ended; `say` takes lines
    about what happens.

    Raises `DownloadError` if the server cannot be reached, has no such file, keeps breaking off, or
    sends content of another `sha256`. Nothing of it is kept.
    """
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with at_once(), temporary.open("xb") as file:
            _fetch(url, file, timeout_sec, say)
            file.flush()
            os.fsync(file.fileno())
        found = sha256_of(temporary)
        if found != sha256:
            raise DownloadError(
                f"What {url} sent is not the file that was published: its sha256 is {found}, "
                f"not {sha256}. It was not used or kept."
            )
        os.replace(temporary, target)
    except OSError as error:
        raise DownloadError(
            f"The file cannot be written in {str(target.parent)!r}: {error}. "
            "Name another folder as `cache_dir`."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _fetch(url: str, file: BinaryIO, timeout_sec: float, say: Callable[[str], None]) -> None:
    for attempt in range(len(PAUSES) + 1):
        try:
            return _attempt(url, file, timeout_sec)
        except _BrokenOff as broken:
            reason = broken
        if attempt < len(PAUSES):
            say(f"{reason}; trying again after {PAUSES[attempt]:g} s, from byte {file.tell()}")
            time.sleep(PAUSES[attempt])
    raise DownloadError(
        f"{url} could not be downloaded in {len(PAUSES) + 1} attempts: {reason}. Is this machine "
        "offline? The file can also be downloaded elsewhere and opened by its path: "
        'foundation_weights_load("FILE").'
    ) from reason


def _attempt(url: str, file: BinaryIO, timeout_sec: float) -> None:
    """Append what is missing in `file`, or raise `_BrokenOff`."""
    have = file.tell()
    headers = {"User-Agent": "edaphos-bridge", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # from the registry
    try:
        with urllib.request.urlopen(request, timeout=timeout_sec) as answer:  # noqa: S310
            if have and not _goes_on_at(answer, have):
                _empty(file)
            _receive(answer, file)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:
            _empty(file)
        elif error.code not in _WORTH_ANOTHER_TRY:
            raise DownloadError(f"{url} answers {error.code} {error.reason}.") from error
        raise _BrokenOff(f"the server answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _BrokenOff(f"no connection ({error.reason})") from error
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise _BrokenOff(f"the connection broke off ({error!r})") from error


def _goes_on_at(answer: http.client.HTTPResponse, have: int) -> bool:
    span = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return answer.status == 206 and span is not None and int(span[1]) == have


def _empty(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate()


def _receive(answer: http.client.HTTPResponse, file: BinaryIO) -> None:
    length = answer.headers.get("Content-Length", "")
    announced = int(length) if re.fullmatch(r"\d{1,18}", length) else None
    received = 0
    while chunk := _chunk(answer):
        received += len(chunk)
        if file.tell() + len(chunk) > MOST_BYTES:
            raise DownloadError(f"{answer.url} sends more than {MOST_BYTES} bytes.")
        file.write(chunk)
    if announced is not None and received < announced:
        raise _BrokenOff(f"the connection ended after {received} of {announced} bytes")


def _chunk(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read(_CHUNK)
    except OSError as error:  # TLS among them; what fails in writing is told apart
        raise _BrokenOff(f"the connection broke off ({error!r})") from error
