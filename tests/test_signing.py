import hmac
from base64 import b64decode, b64encode
from hashlib import sha256

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from serving.signing import ID, PREFIX, SIGNATURE, TIMESTAMP, TOLERANCE_SECONDS, derive, sign, verify

SECRET = derive(b"k" * 32, "hook-1")
BODY = '{"type":"decision","data":{"case_id":"工单-1"}}'.encode()
NOW = 1_700_000_000


def test_a_signed_message_is_let_through() -> None:
    verify(SECRET, sign(SECRET, "event-1", NOW, BODY), BODY, now=NOW + TOLERANCE_SECONDS)


def test_the_signature_is_that_of_standard_webhooks() -> None:
    headers = sign(SECRET, "event-1", NOW, BODY)
    key = b64decode(SECRET.removeprefix(PREFIX))
    wanted = b64encode(hmac.new(key, b"event-1.1700000000." + BODY, sha256).digest()).decode()
    assert headers == {ID: "event-1", TIMESTAMP: "1700000000", SIGNATURE: f"v1,{wanted}"}
    assert len(key) == 32


def test_the_published_example_is_reproduced() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    signed = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed[SIGNATURE] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_secrets_differ_by_hook_and_by_service() -> None:
    assert len({SECRET, derive(b"k" * 32, "hook-2"), derive(b"l" * 32, "hook-1")}) == 3


def test_one_of_several_signatures_is_enough() -> None:
    headers = sign(SECRET, "event-1", NOW, BODY)
    headers[SIGNATURE] = f"v1,AAAA {headers[SIGNATURE]} v2,BBBB"
    verify(SECRET, headers, BODY, now=NOW)


@pytest.mark.parametrize(
    ("change", "body", "now", "field"),
    [
        ({}, BODY + b" ", NOW, SIGNATURE),
        ({ID: "event-2"}, BODY, NOW, SIGNATURE),
        ({TIMESTAMP: str(NOW + 1)}, BODY, NOW, SIGNATURE),
        ({SIGNATURE: "v1,AAAA"}, BODY, NOW, SIGNATURE),
        ({SIGNATURE: "v1,é"}, BODY, NOW, SIGNATURE),
        ({SIGNATURE: ""}, BODY, NOW, SIGNATURE),
        ({TIMESTAMP: ""}, BODY, NOW, TIMESTAMP),
        ({TIMESTAMP: "²"}, BODY, NOW, TIMESTAMP),
        ({}, BODY, NOW + TOLERANCE_SECONDS + 1, TIMESTAMP),
        ({}, BODY, NOW - TOLERANCE_SECONDS - 1, TIMESTAMP),
    ],
)
def test_anything_else_is_refused(change: dict[str, str], body: bytes, now: float, field: str) -> None:
    with pytest.raises(DispatchError) as refused:
        verify(SECRET, sign(SECRET, "event-1", NOW, BODY) | change, body, now=now)
    assert (refused.value.kind, refused.value.field) == (ErrorKind.UNAUTHORIZED, field)


def test_another_secret_is_refused() -> None:
    with pytest.raises(DispatchError, match="签名不符"):
        verify(derive(b"k" * 32, "hook-2"), sign(SECRET, "event-1", NOW, BODY), BODY, now=NOW)


def test_a_secret_that_is_none_is_told() -> None:
    with pytest.raises(DispatchError) as wrong:
        sign("whsec_不是密钥", "event-1", NOW, BODY)
    assert wrong.value.kind is ErrorKind.INVALID_CONFIG
