"""Downloads against a server on this machine that misbehaves in every way."""

import hashlib
import http.server
import os
import socket
import subprocess
import sys
import threading

import pytest

from edaphos_bridge import foundation_weights_download, foundation_weights_load
from edaphos_bridge.errors import DownloadError, InputError
from edaphos_bridge.weights import download as downloads
from edaphos_bridge.weights import registry

NAME = "edaphos-cerrado-moco-v1"


class Server(http.server.ThreadingHTTPServer):
    """Sends `content`; `behaviours` says how, one a request, the last one for ever."""

    daemon_threads = True

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.behaviours = ["good"]
        self.ranges = []
        self.barrier = None


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, content = self.server, self.server.content
        server.ranges.append(self.headers.get("Range"))
        several = len(server.behaviours) > 1
        behaviour = server.behaviours.pop(0) if several else server.behaviours[0]
        if server.barrier is not None:
            server.barrier.wait()
        if isinstance(behaviour, int):
            self.send_error(behaviour)
            return
        start = 0
        if self.headers.get("Range") and behaviour != "ignores Range":
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            shown = start + 1 if behaviour == "other range" else start
            self.send_header("Content-Range", f"bytes {shown}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        body = content[start:]
        if behaviour == "wrong":
            body = bytes([body[0] ^ 1]) + body[1:]
        if behaviour == "short":  # says so, and is not the file
            body = body[: len(body) // 2]
        if behaviour != "no length":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if behaviour == "drops" else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(r_file):
    server = Server(r_file("simclr_encoder.pt"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def entry_for(url, content):
    digest = hashlib.sha256(content).hexdigest()
    return registry.PublishedWeights(NAME, "simclr", 4, 16, 8, 16, "e.pt", url, digest)


@pytest.fixture(autouse=True)
def published(server, monkeypatch):
    """The registry says that the file is on this machine; nobody waits between attempts."""
    url = f"http://127.0.0.1:{server.server_port}/e.pt"
    monkeypatch.setattr(registry, "REGISTRY", (entry_for(url, server.content),))
    monkeypatch.setattr(downloads, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return url


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "new" / "cache"


def left_in(cache):
    return sorted(path.name for path in cache.iterdir()) if cache.exists() else []


def test_a_file_arrives_whole_and_is_not_asked_for_again(server, cache):
    path = foundation_weights_download(NAME, cache)
    assert path.read_bytes() == server.content
    assert left_in(cache) == [path.name]
    assert foundation_weights_download(NAME, str(cache)) == path
    assert server.ranges == [None]


def test_a_published_encoder_learnt_from_transposed_patches_by_name_and_by_its_file(cache):
    assert foundation_weights_load(NAME, cache_dir=cache).patch_orientation == "transposed"
    path = foundation_weights_download(NAME, cache)
    assert foundation_weights_load(path).patch_orientation == "transposed"
    with pytest.raises(InputError, match="`patch_orientation` must be 'transposed'"):
        foundation_weights_load(NAME, cache_dir=cache, patch_orientation="rows_first")


def test_overwrite_downloads_again(server, cache):
    path = foundation_weights_download(NAME, cache)
    foundation_weights_download(NAME, cache, overwrite=True)
    assert server.ranges == [None, None]
    assert path.read_bytes() == server.content


def test_a_damaged_file_in_the_cache_is_not_used(server, cache):
    path = foundation_weights_download(NAME, cache)
    path.write_bytes(server.content[:-1])
    assert foundation_weights_load(NAME, cache_dir=cache).feature_dim == 16
    assert path.read_bytes() == server.content


def test_a_dropped_connection_is_resumed_where_it_ended(server, cache):
    server.behaviours = ["drops", "drops", "good"]
    path = foundation_weights_download(NAME, cache)
    assert path.read_bytes() == server.content
    size = len(server.content)
    assert server.ranges == [None, f"bytes={size // 2}-", f"bytes={size // 2 + (size + 1) // 4}-"]
    assert left_in(cache) == [path.name]


@pytest.mark.parametrize("second", ["ignores Range", "other range", 416])
def test_a_server_that_does_not_resume_sends_the_whole_file_again(server, cache, second):
    server.behaviours = ["drops", second, "ignores Range"]
    if second == "other range":  # what it sends is not what was asked for
        server.behaviours = ["drops", "other range"]
        with pytest.raises(DownloadError):
            foundation_weights_download(NAME, cache)
        assert left_in(cache) == []
        return
    assert foundation_weights_download(NAME, cache).read_bytes() == server.content


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_in_trouble_is_asked_again(server, cache, status):
    server.behaviours = [status, "good"]
    assert foundation_weights_download(NAME, cache).read_bytes() == server.content


def test_a_file_without_a_length_is_checked_like_any_other(server, cache):
    server.behaviours = ["no length"]
    assert foundation_weights_download(NAME, cache).read_bytes() == server.content


@pytest.mark.parametrize("behaviour", ["wrong", "short"])
def test_another_content_is_an_error_with_both_digests_and_is_never_used(
    server, cache, behaviour, monkeypatch
):
    monkeypatch.setattr(
        "edaphos_bridge.weights.foundation_weights.read_encoder", lambda data: 1 / 0
    )
    server.behaviours = [behaviour]
    with pytest.raises(DownloadError, match=rf"sha256 is \w+, not {registry.REGISTRY[0].sha256}"):
        foundation_weights_load(NAME, cache_dir=cache)
    assert left_in(cache) == []


def test_a_connection_that_always_breaks_off_is_an_error_after_four_attempts(server, cache):
    server.behaviours = ["drops"]
    with pytest.raises(DownloadError, match="in 4 attempts"):
        foundation_weights_download(NAME, cache)
    assert len(server.ranges) == 4
    assert left_in(cache) == []


def test_a_missing_file_is_an_error_at_once(server, cache):
    server.behaviours = [404]
    with pytest.raises(DownloadError, match="answers 404"):
        foundation_weights_download(NAME, cache)
    assert server.ranges == [None]
    assert left_in(cache) == []


def test_a_failure_leaves_what_the_cache_had(server, cache):
    path = foundation_weights_download(NAME, cache)
    server.behaviours = ["wrong"]
    with pytest.raises(DownloadError):
        foundation_weights_download(NAME, cache, overwrite=True)
    assert path.read_bytes() == server.content
    assert left_in(cache) == [path.name]


def test_offline_the_error_says_so_and_how_else_to_open_the_file(server, cache, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/e.pt"
        monkeypatch.setattr(registry, "REGISTRY", (entry_for(url, server.content),))
        with pytest.raises(DownloadError, match=r"offline.*opened by its path"):
            foundation_weights_download(NAME, cache)
    assert left_in(cache) == []


def test_a_file_that_never_ends_is_an_error(server, cache, monkeypatch):
    monkeypatch.setattr(downloads, "MOST_BYTES", 10_000)
    with pytest.raises(DownloadError, match="more than 10000 bytes"):
        foundation_weights_download(NAME, cache)
    assert left_in(cache) == []


def test_an_interrupt_leaves_nothing(server, cache, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        foundation_weights_download(NAME, cache)
    assert left_in(cache) == []


def test_a_cache_that_cannot_be_written_is_an_error_that_names_it(server, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DownloadError, match=r"cannot be written in .*cache_dir"):
        foundation_weights_download(NAME, tmp_path / "file")


DOWNLOADER = """
import sys
from edaphos_bridge.weights import registry
from edaphos_bridge import foundation_weights_download
name, url, digest, cache = sys.argv[1:]
registry.REGISTRY = (registry.PublishedWeights(name, "simclr", url=url, sha256=digest),)
print(foundation_weights_download(name, cache).read_bytes().hex()[:16])
"""


def test_two_processes_at_once_both_get_the_whole_file(server, cache, published):
    server.barrier = threading.Barrier(2, timeout=60)  # neither is answered before both ask
    entry = registry.REGISTRY[0]
    command = [sys.executable, "-c", DOWNLOADER, NAME, published, entry.sha256, str(cache)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        assert out.strip() == server.content.hex()[:16]
    assert len(server.ranges) == 2
    assert left_in(cache) == [f"{NAME}.pt"]
    assert (cache / f"{NAME}.pt").read_bytes() == server.content


def test_verbose_prints_what_happens(server, cache, capsys):
    server.behaviours = ["drops", "good"]
    foundation_weights_download(NAME, cache, verbose=True)
    foundation_weights_download(NAME, cache, verbose=True)
    out = capsys.readouterr().out
    for text in ("Downloading", "trying again", "is complete", "is in the cache"):
        assert text in out


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "edaphos-moco"},
        {"name": None},
        {"overwrite": "yes"},
        {"timeout_sec": 0},
        {"timeout_sec": "60"},
        {"verbose": 1},
        {"cache_dir": 3},
    ],
)
def test_arguments_that_cannot_be_used_are_an_error_before_any_request(server, cache, arguments):
    with pytest.raises(InputError) as raised:
        foundation_weights_download(**{"name": NAME, "cache_dir": cache, **arguments})
    assert raised.value.argument == next(iter(arguments))
    assert server.ranges == []
