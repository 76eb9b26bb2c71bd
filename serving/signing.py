"""How a webhook proves where it comes from: Standard Webhooks 1.0 (https://www.standardwebhooks.com), HMAC-SHA256.

Receivers in Python can use `verify`; libraries for other languages read the same three headers.
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import sha256

from dispatch_model.errors import DispatchError, ErrorKind

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
PREFIX = "whsec_"
TOLERANCE_SECONDS = 300
_SCHEME = "v1,"


def derive(key: bytes, hook: str) -> str:
    """The secret of one receiver, made from the service's own key: the database never holds it."""
    return PREFIX + b64encode(hmac.digest(key, f"webhook:{hook}".encode(), sha256)).decode()


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers that go with `body`.

    :param secret: as `derive` gives it.
    :param timestamp: of this attempt, in Unix seconds.
    """
    return {
        ID: message_id,
        TIMESTAMP: str(timestamp),
        SIGNATURE: _SCHEME + _digest(secret, message_id, timestamp, body),
    }


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, now: float) -> None:
    """Let a message pass that this service signed within the last five minutes.

    :param headers: names in lower case; several signatures may stand in one header, one must fit.
    :param body: the bytes as received, before any parsing.
    :param now: Unix seconds.
    :raises DispatchError: UNAUTHORIZED, naming the header that is missing or wrong.
    """
    missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if not headers.get(name)]
    if missing:
        raise _refused(missing[0], f"缺少请求头 {missing[0]}")
    timestamp = headers[TIMESTAMP]
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 16):
        raise _refused(TIMESTAMP, f"{TIMESTAMP} 应为 Unix 秒数")
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise _refused(TIMESTAMP, f"{TIMESTAMP} 与本机时间相差超过 {TOLERANCE_SECONDS} 秒，可能是重放；请核对时钟")
    wanted = _SCHEME + _digest(secret, headers[ID], int(timestamp), body)
    given = headers[SIGNATURE].split()
    if not any(hmac.compare_digest(one.encode(), wanted.encode()) for one in given):
        raise _refused(SIGNATURE, "签名不符；请核对密钥，并以收到的原始字节验签")


def _digest(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return b64encode(hmac.digest(_key(secret), signed, sha256)).decode()


def _key(secret: str) -> bytes:
    try:
        return b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        told = f"Webhook 密钥应为 {PREFIX} 加 Base64；请用 dispatch hooks add 给出的原文。"
        raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="secret") from None


def _refused(field: str, why: str) -> DispatchError:
    return DispatchError(ErrorKind.UNAUTHORIZED, f"{why}。", field=field)
