"""The one way out of the service: a POST to an address somebody entered, kept from reaching inside (SSRF).

The name is resolved once, every address it stands for is checked, and the connection goes to the address checked: a
name that answers otherwise the second time gains nothing. Redirects are not followed, no proxy is asked, and of the
response only the status is read. Not covered: a public host that itself forwards inside.
"""

import socket
import ssl
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from http.client import HTTPConnection, HTTPException
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from threading import Timer
from urllib.parse import SplitResult, urlsplit

from dispatch_model.errors import DispatchError, ErrorKind

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_PORTS = {"https": 443, "http": 80}
_NAT64 = ip_network("64:ff9b::/96")
LONGEST_URL = 2000


def networks(text: str) -> tuple[Network, ...]:
    """The networks of the setting `webhook_networks`: `10.1.0.0/16, fd00::/8`.

    :raises ValueError: naming the part that is no network.
    """
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ValueError(f"应为以逗号分隔的网段，如 10.1.0.0/16（{error}）") from None


def check_url(url: str, inside: Sequence[Network] = ()) -> SplitResult:
    """Refuse an address no message may go to, as far as that can be seen without looking up its name.

    :param inside: networks of the office's own that may be reached, without TLS too.
    :raises DispatchError: INVALID_PARAMETER, naming the URL and what is wrong with it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused(url, "不是网址") from None
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise _refused(url, "应为 https://主机/路径")
    if parts.username or parts.password:
        raise _refused(parts.hostname, "不能含用户名或密码")
    if len(url) > LONGEST_URL or not (url.isascii() and url.isprintable()) or " " in url:
        raise _refused(url, f"只能含可见的 ASCII 字符，至多 {LONGEST_URL} 个；中文请先编码")
    if parts.scheme == "http" and not inside:
        raise _refused(url, "应为 https；明文 http 只用于配置项 webhook_networks 允许的内部网段")
    return parts


def resolve(parts: SplitResult, inside: Sequence[Network] = ()) -> tuple[str, ...]:
    """The addresses of the host, best first; each must be one that a message may go to.

    :raises DispatchError: INVALID_PARAMETER for a forbidden address, NOT_FOUND when the name has none.
    """
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "不是主机名"
        raise DispatchError(
            ErrorKind.NOT_FOUND, f"找不到主机 {host}（{why}）；请核对网址。", field="url", value=host
        ) from None
    addresses = tuple(str(sockaddr[0]) for *_, sockaddr in found)
    for address in addresses:
        if not allowed(ip_address(address.partition("%")[0]), inside, plain=parts.scheme == "http"):
            told = f"指向不允许的地址 {address}；内部地址须列入配置项 webhook_networks"
            raise _refused(host, told)
    return addresses


def allowed(address: Address, inside: Iterable[Network] = (), *, plain: bool = False) -> bool:
    """Whether a message may go to `address`.

    :param plain: without TLS, which only networks named in `inside` are good for.
    """
    address = _embedded(address)
    # Link-local is where clouds answer with credentials: nobody's webhook is there.
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        return False
    if any(address.version == network.version and address in network for network in inside):
        return True
    site_local = isinstance(address, IPv6Address) and address.is_site_local
    return address.is_global and not site_local and not plain


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, inside: Sequence[Network] = (), timeout: float = 10.0
) -> int:
    """Send `body` and return the status of the answer.

    :param timeout: seconds for everything together, however slowly the other side answers.
    :raises DispatchError: INVALID_PARAMETER or NOT_FOUND, see `check_url` and `resolve`; nothing was sent.
    :raises OSError: no connection, no TLS, no answer in time.
    """
    parts = check_url(url, inside)
    connection = _Connection(parts, resolve(parts, inside), timeout)
    over = Timer(timeout, connection.cut)
    over.daemon = True
    over.start()
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, dict(headers))
        return connection.getresponse().status
    except HTTPException as error:
        raise ConnectionError(f"not HTTP: {type(error).__name__}") from None
    finally:
        over.cancel()
        connection.close()


class _Connection(HTTPConnection):
    """To one of the checked addresses, while Host and certificate are those of the name."""

    def __init__(self, parts: SplitResult, addresses: Sequence[str], timeout: float) -> None:
        self.default_port = _PORTS[parts.scheme]
        super().__init__(parts.hostname or "", parts.port or self.default_port, timeout=timeout)
        self._addresses = addresses
        self._tls = parts.scheme == "https"

    def connect(self) -> None:
        """Connect to the first that answers."""
        self.sock = self._reach()
        if self._tls:
            # The handshake comes after the assignment, so that `cut` can end it too.
            secured = _context().wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock = secured
            secured.do_handshake()

    def _reach(self) -> socket.socket:
        failure = OSError("no address")
        for address in self._addresses:
            try:
                return socket.create_connection((address, self.port), self.timeout)
            except OSError as error:
                failure = error
        raise failure

    def cut(self) -> None:
        """End it from another thread: each byte that comes restarts the socket's own timeout."""
        if self.sock:
            with suppress(OSError):  # it ended by itself
                # Not the method of SSLSocket, which takes the session from under the thread that reads.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


@lru_cache(maxsize=1)
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 one carries, when it does."""
    if not isinstance(address, IPv6Address):
        return address
    carried = address.ipv4_mapped or address.sixtofour
    if carried is None and address in _NAT64:
        carried = IPv4Address(int(address) & 0xFFFFFFFF)
    return carried or address


def _refused(value: str, why: str) -> DispatchError:
    return DispatchError(ErrorKind.INVALID_PARAMETER, f"Webhook 地址 {value} {why}。", field="url", value=value)
