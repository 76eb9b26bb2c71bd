import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from serving import outward
from serving.outward import allowed, check_url, networks, post, resolve

LOOPBACK = networks("127.0.0.0/8")


@contextmanager
def answering(answer: Callable[[socket.socket], object], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a server on loopback that reads one request, then does `answer`."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    secured = context.wrap_socket(connection, server_side=True) if context else connection
                    with secured:
                        answer(secured)
                except OSError:
                    return  # the client went away, as some tests want

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def request(connection: socket.socket) -> bytes:
    """Head and body as they come in; the tests send bodies of two characters."""
    found = b""
    while not found.endswith((b"\r\n\r\n{}", b"Content-Length: 0\r\n\r\n")):
        found += connection.recv(65536)
    return found


def reply(text: str, seen: list[bytes]) -> Callable[[socket.socket], object]:
    def answer(connection: socket.socket) -> None:
        seen.append(request(connection))
        connection.sendall(text.encode())

    return answer


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2001:db8::1",
    ],
)
def test_addresses_inside_are_not_reached(address: str) -> None:
    assert not allowed(ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "114.114.114.114", "2400:3200::1", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_public_addresses_are_reached_with_tls_only(address: str) -> None:
    assert allowed(ip_address(address))
    assert not allowed(ip_address(address), plain=True)


def test_a_network_of_ones_own_may_be_opened_and_nothing_beside_it() -> None:
    inside = networks("10.1.0.0/16, fd00::/8")
    assert allowed(ip_address("10.1.2.3"), inside, plain=True)
    assert allowed(ip_address("fd00::1"), inside)
    assert allowed(ip_address("::ffff:10.1.2.3"), inside)
    assert not allowed(ip_address("10.2.0.1"), inside)
    assert not allowed(ip_address("127.0.0.1"), inside)


def test_where_clouds_keep_credentials_stays_shut_even_when_opened() -> None:
    assert not allowed(ip_address("169.254.169.254"), networks("0.0.0.0/0"))


@pytest.mark.parametrize("text", ["10.1.0.1/16", "intranet", "10.0.0.0/8;fd00::/8"])
def test_a_wrong_network_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="网段"):
        networks(text)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.gov.cn/",
        "ftp://hooks.example.gov.cn/",
        "https:///path",
        "https://",
        "hooks.example.gov.cn",
        "https://hooks.example.gov.cn:0/",
        "https://hooks.example.gov.cn:99999/",
        "https://[::1/",
        "https://user:secret@hooks.example.gov.cn/",
        "https://hooks.example.gov.cn/派单",
        "https://hooks.example.gov.cn/a b",
        "https://hooks.example.gov.cn/\r\nX: y",
        "https://hooks.example.gov.cn/" + "x" * 2000,
    ],
)
def test_a_wrong_address_is_refused_before_anything_is_looked_up(url: str) -> None:
    with pytest.raises(DispatchError) as refused:
        check_url(url)
    assert refused.value.kind is ErrorKind.INVALID_PARAMETER
    assert "secret" not in str(refused.value)


def test_every_address_of_a_name_must_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (one, 443)) for one in found])
    parts = check_url("https://hooks.example.gov.cn/x")
    found[:] = ["1.1.1.1", "1.0.0.1"]
    assert resolve(parts) == ("1.1.1.1", "1.0.0.1")
    found[:] = ["1.1.1.1", "10.0.0.1"]
    with pytest.raises(DispatchError, match=r"10\.0\.0\.1"):
        resolve(parts)


def test_a_name_nobody_has_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(DispatchError) as unknown:
        resolve(check_url("https://hooks.example.gov.cn/"))
    assert (unknown.value.kind, unknown.value.value) == (ErrorKind.NOT_FOUND, "hooks.example.gov.cn")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_loopback_by_any_name_is_refused(host: str) -> None:
    with pytest.raises(DispatchError):
        post(f"https://{host}:1/", b"", {})


def test_the_message_arrives_as_it_was_given() -> None:
    seen: list[bytes] = []
    with answering(reply("HTTP/1.1 204 No Content\r\n\r\n", seen)) as port:
        status = post(
            f"http://localhost:{port}/hooks?a=1",
            b"{}",
            {"webhook-id": "event-1"},
            inside=networks("127.0.0.0/8,::1/128"),
        )
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert (status, body) == (204, b"{}")
    assert head.startswith(b"POST /hooks?a=1 HTTP/1.1\r\n")
    assert f"Host: localhost:{port}".encode() in head
    assert b"webhook-id: event-1" in head


def test_a_name_is_tried_at_each_of_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(2, 1, 6, "", (one, 0)) for one in ("127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", _only_for("hooks.example.gov.cn", both, socket.getaddrinfo))
    with answering(reply("HTTP/1.1 200 OK\r\n\r\n", [])) as port:
        assert post(f"http://hooks.example.gov.cn:{port}/", b"{}", {}, inside=LOOPBACK) == 200


def _only_for(name: str, found: list[Any], otherwise: Callable[..., Any]) -> Callable[..., Any]:
    return lambda host, *more, **named: found if host == name else otherwise(host, *more, **named)


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    seen: list[bytes] = []
    with answering(reply("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", seen)) as port:
        assert post(f"http://127.0.0.1:{port}", b"{}", {}, inside=LOOPBACK) == 302


def drip(connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK" + b" " * 1000:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def test_a_server_that_drips_is_cut_off_in_time() -> None:
    started = time.monotonic()
    with answering(drip) as port, pytest.raises(ConnectionError):
        post(f"http://127.0.0.1:{port}/", b"{}", {}, inside=LOOPBACK, timeout=0.4)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "text", ["", "SSH-2.0-OpenSSH_9\r\n", "HTTP/1.1 200 OK\r\n" + "x: " + "y" * 70_000 + "\r\n\r\n"]
)
def test_what_speaks_no_http_is_a_failed_connection(text: str) -> None:
    with answering(reply(text, [])) as port, pytest.raises(ConnectionError):
        post(f"http://127.0.0.1:{port}/", b"{}", {}, inside=LOOPBACK)


def test_a_certificate_nobody_vouches_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run([*command, *names], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs the openssl command to make a certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    inside = networks("127.0.0.0/8,::1/128")
    seen: list[bytes] = []
    with (
        answering(reply("HTTP/1.1 200 OK\r\n\r\n", seen), context) as port,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        post(f"https://localhost:{port}/", b"{}", {}, inside=inside)
    assert seen == []
    monkeypatch.setattr(outward, "_context", lambda: ssl.create_default_context(cafile=str(certificate)))
    with answering(reply("HTTP/1.1 200 OK\r\n\r\n", seen), context) as port:
        assert post(f"https://localhost:{port}/", b"{}", {}, inside=inside) == 200
    with (
        answering(reply("HTTP/1.1 200 OK\r\n\r\n", seen), context) as port,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        post(f"https://127.0.0.1:{port}/", b"{}", {}, inside=inside)
    assert len(seen) == 1
