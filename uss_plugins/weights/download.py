"""A download over HTTP that goes on where it broke off, also in a later run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import requests

from registry.errors import UserError

CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0
BLOCK_BYTES = 1 << 18
FRUITLESS_ATTEMPTS = 3
"""Attempts in a row that may bring nothing new before a download gives up."""

Progress = Callable[[int, "int | None"], None]


class ResumedDownload:
    """Fetches one file into `part`; what is there already is gone on with, if the server plays along.

    A callable of the kind that pooch takes as its `downloader`.

    Args:
        part: where the file grows. It outlives a broken download; beside it, in `part` + ".etag", is the
            server's mark of the file's version, so that two versions never get mixed. Without a mark it
            starts anew.
        bytes: size of the whole file, or None to believe the server.
        progress: called with the bytes that are here and those of the whole, if known.
    """

    def __init__(self, part: Path, bytes: int | None, progress: Progress | None = None) -> None:
        self.part, self.mark = part, part.with_name(part.name + ".etag")
        self.bytes = bytes
        self.progress = progress or (lambda done, total: None)

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        """Download `url` and move it to `output_file` once it has its size.

        Raises:
            UserError: there is no connection, it keeps breaking, the server refuses, or the size is wrong.
        """
        fruitless = 0
        while True:
            before = self.done
            try:
                self._attempt(url)
                break
            except (requests.ConnectionError, requests.Timeout, _BrokenOffError) as error:
                # An answer that ignores the range starts anew, so having more is what counts.
                fruitless = fruitless + 1 if self.done <= before else 0
                offline = not self.done and isinstance(error, requests.RequestException)
                if offline or fruitless == FRUITLESS_ATTEMPTS:
                    raise self._no_connection(url, error) from None
        self.mark.unlink(missing_ok=True)
        self.part.replace(output_file)

    @property
    def done(self) -> int:
        """Bytes that are here."""
        return self.part.stat().st_size if self.part.exists() else 0

    def _attempt(self, url: str) -> None:
        """One request for all that is missing."""
        if self.bytes is not None and self.done == self.bytes:
            return
        if not self.mark.exists() or (self.bytes is not None and self.done > self.bytes):
            self._forget()
        start = self.done
        # Compressed answers would make ranges and sizes speak of other bytes.
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": self.mark.read_text()}
        with self._answer(url, headers) as response:
            total = self._begin(response, start)
            self._receive(response, total)
        if total is not None and self.done < total:
            raise _BrokenOffError(f"broken off at {self.done} of {total} bytes")
        if total is not None and self.done > total:
            self._forget()
            raise UserError(f"{url}: the server sends more than the {total} bytes of the file")

    @contextmanager
    def _answer(self, url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
        """The server's answer, if it is a good one."""
        timeout = (CONNECT_SECONDS, READ_SECONDS)
        with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                self._forget()
                raise _BrokenOffError("the server has no more bytes than are here")
            if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise _BrokenOffError(f"the server answers {response.status_code}")
            if response.status_code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
                raise UserError(
                    f"{url}: the server answers {response.status_code} {response.reason}; it may have moved."
                    " Get the file by other means and give it by --from-file"
                )
            yield response

    def _begin(self, response: requests.Response, start: int) -> int | None:
        """Check where the answer starts, and say how many bytes the whole has, if it is known."""
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else None
        if response.status_code == HTTPStatus.PARTIAL_CONTENT:
            span = re.fullmatch(
                r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "")
            )
            if span is None or int(span[1]) != start:
                self._forget()
                raise _BrokenOffError("the server sends another part than it was asked for")
            total = int(span[2]) if span[2] != "*" else self.bytes
        else:
            self._forget()
            version = response.headers.get("ETag", "W/")
            if version.startswith("W/"):  # a weak mark promises no equal bytes
                version = response.headers.get("Last-Modified", "")
            if version:
                self.mark.write_text(version)
        if None not in (total, self.bytes) and total != self.bytes:
            self._forget()
            raise UserError(
                f"{response.url}: the server offers {total} bytes, and {self.bytes} were published; it"
                " is not that file"
            )
        return total if self.bytes is None else self.bytes

    def _receive(self, response: requests.Response, total: int | None) -> None:
        """Append what comes, to the last byte before a break; who calls compares sizes."""
        response.raw.enforce_content_length = False
        with self.part.open("ab") as file:
            try:
                for block in response.iter_content(BLOCK_BYTES):
                    file.write(block)
                    self.progress(file.tell(), total)
            except requests.exceptions.ChunkedEncodingError as error:
                raise _BrokenOffError("the connection breaks off") from error

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.mark.unlink(missing_ok=True)

    def _no_connection(self, url: str, error: Exception) -> UserError:
        host = urlsplit(url).netloc
        if self.done:
            return UserError(
                f"{host}: the connection breaks off ({self.done} bytes are here); run the same again to"
                " go on from there"
            )
        reason = "it timed out" if isinstance(error, requests.Timeout) else "no answer"
        if isinstance(error, _BrokenOffError):
            reason = str(error)
        return UserError(
            f"{host}: cannot be reached ({reason}); go online, or get {url} by other means and give it by"
            " --from-file"
        )


class _BrokenOffError(Exception):
    """A download that may succeed when it is tried again."""
