import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from starlette.testclient import TestClient

from serving.console.login import COOKIE, FIRST, FORM_COOKIE, HOME, PATH, inside, login_routes
from serving.console.origin import Origin
from serving.guard import operators
from serving.guard.operators import Role
from serving.guard.passwords import Hash
from serving.guard.sessions import Sessions
from serving.store.seal import Seal
from serving.store.store import Store
from serving.web.handlers import add_handlers

GOOD = "three blue doors"
WEAK = Hash(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(GOOD))
SITE = "http://console.test"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sessions]:
    """Sessions of a store with one operator."""
    monkeypatch.setattr("serving.guard.passwords.renewed", lambda *_: None)
    store = Store.open(tmp_path / "dispatch.db", seal=Seal.of("a key for tests, of some length"))
    add = partial(operators.add, login="zhang", password=WEAK, name="张三", role=Role.OPERATOR, actor="cli:t")
    store.write(add)
    yield Sessions(store)
    store.close()


def browser(desk: Sessions | None, site: str = SITE) -> TestClient:
    app = FastAPI()
    app.state.sessions = desk
    app.include_router(login_routes())
    app.add_middleware(Origin)
    add_handlers(app)
    return TestClient(app, base_url=site, follow_redirects=False, headers={"Origin": site})


def token(page: str) -> str:
    (found,) = re.findall(r'name="token" value="([0-9a-f]{64})"', page)
    return str(found)


def sign_in(client: TestClient, password: str = GOOD, **fields: str) -> Any:
    given = {"token": token(client.get(PATH).text), "login": "zhang", "password": password, **fields}
    return client.post(PATH, data=given)


def test_the_form_needs_no_script_and_names_its_fields(desk: Sessions) -> None:
    answer = browser(desk).get(PATH)
    assert answer.status_code == 200
    page = answer.text
    for part in (
        '<html lang="zh-CN">',
        '<label for="login">',
        '<label for="password">',
        'autocomplete="username"',
        'autocomplete="current-password"',
        "prefers-color-scheme: dark",
        f'method="post" action="{PATH}"',
    ):
        assert part in page
    assert "<script" not in page
    assert 'role="alert"' not in page
    assert FIRST not in page
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert "script-src" not in policy
    assert policy.startswith("default-src 'none'")


def test_who_signs_in_gets_a_cookie_no_script_and_no_other_site_can_use(desk: Sessions) -> None:
    client = browser(desk)
    answer = sign_in(client, next="/console/rules?q=城管")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/console/rules?q=%E5%9F%8E%E7%AE%A1"
    (cookie,) = [one for one in answer.headers.get_list("set-cookie") if one.startswith(f"{COOKIE}=")]
    parts = {part.strip().casefold() for part in cookie.split(";")[1:]}
    assert parts == {"httponly", "samesite=strict", "path=/console"}
    operator = desk.operator_of(client.cookies[COOKIE])
    assert operator is not None
    assert operator.login == "zhang"
    again = client.get(f"{PATH}?next=/console/quality")
    assert (again.status_code, again.headers["location"]) == (303, "/console/quality")


def test_over_https_the_cookies_are_secure(desk: Sessions) -> None:
    client = browser(desk, "https://console.test")
    assert all("; Secure" in cookie for cookie in client.get(PATH).headers.get_list("set-cookie"))
    cookies = sign_in(client).headers.get_list("set-cookie")
    assert any("Secure" in cookie for cookie in cookies if cookie.startswith(f"{COOKIE}="))


def test_what_is_wrong_is_told_and_the_password_not_repeated(desk: Sessions) -> None:
    client = browser(desk)
    answer = sign_in(client, "a wrong one", login='zhang"><script>', next="/console/rules")
    assert answer.status_code == 401
    assert "cookie" in answer.headers["www-authenticate"].casefold()
    (told,) = re.findall(r'role="alert" id="wrong">([^<]+)<', answer.text)
    assert "登录名或密码不对" in told
    assert 'value="zhang&#34;&gt;&lt;script&gt;"' in answer.text
    assert 'name="next" value="/console/rules"' in answer.text
    assert "a wrong one" not in answer.text
    assert COOKIE not in client.cookies
    assert client.post(PATH, data={"token": token(answer.text), "login": "zhang", "password": GOOD}).status_code == 303


def test_a_pause_is_told_in_page_and_header(desk: Sessions) -> None:
    client = browser(desk)
    for _ in range(5):
        assert sign_in(client, "a wrong one").status_code == 401
    answer = sign_in(client)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
    assert "请在 10 秒后再试" in answer.text


@pytest.mark.parametrize("given", [{}, {"token": ""}, {"token": "0" * 64}, {"token": "é"}])
def test_a_form_of_another_site_signs_nobody_in(desk: Sessions, given: dict[str, str]) -> None:
    client = browser(desk)
    client.get(PATH)
    answer = client.post(PATH, data={"login": "zhang", "password": GOOD, **given})
    assert answer.status_code == 403
    assert "登录页已过期" in answer.text
    assert COOKIE not in client.cookies


def test_a_token_goes_with_its_cookie(desk: Sessions) -> None:
    mine, other = browser(desk), browser(desk)
    mine.get(PATH)
    foreign = token(other.get(PATH).text)
    assert mine.post(PATH, data={"login": "zhang", "password": GOOD, "token": foreign}).status_code == 403
    without = browser(desk)
    assert without.post(PATH, data={"login": "zhang", "password": GOOD, "token": foreign}).status_code == 403


def test_two_tabs_share_their_cookie_and_a_restart_changes_nothing(desk: Sessions) -> None:
    client = browser(desk)
    first, nonce = token(client.get(PATH).text), client.cookies[FORM_COOKIE]
    client.get(PATH)
    assert client.cookies[FORM_COOKIE] == nonce
    restarted = browser(Sessions(desk._store))
    restarted.cookies.set(FORM_COOKIE, nonce, domain="console.test", path="/console")
    assert restarted.post(PATH, data={"login": "zhang", "password": GOOD, "token": first}).status_code == 303


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"x" * 9000, 413), (b"&".join([b"a=1"] * 11), 400), (b"\xff\xfe", 400), (b"", 403), (b"login=%ff%ed%a0%bd", 403)],
)
def test_any_body_is_answered_with_the_form(desk: Sessions, body: bytes, status: int) -> None:
    answer = browser(desk).post(PATH, content=body)
    assert answer.status_code == status
    assert 'role="alert"' in answer.text


def test_signing_in_again_ends_the_session_before(desk: Sessions) -> None:
    client = browser(desk)
    form = token(client.get(PATH).text)
    nonce = client.cookies[FORM_COOKIE]
    client.post(PATH, data={"login": "zhang", "password": GOOD, "token": form})
    before = client.cookies[COOKIE]
    client.cookies.set(FORM_COOKIE, nonce, domain="console.test", path="/console")
    assert client.post(PATH, data={"login": "zhang", "password": GOOD, "token": form}).status_code == 303
    assert desk.operator_of(before) is None
    assert desk.operator_of(client.cookies[COOKIE])


def test_signing_out_ends_the_session(desk: Sessions) -> None:
    client = browser(desk)
    sign_in(client)
    held = client.cookies[COOKIE]
    answer = client.post("/console/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, PATH)
    assert desk.operator_of(held) is None
    assert COOKIE not in client.cookies
    assert client.post("/console/logout").status_code == 303
    assert client.get("/console/logout").status_code == 405


def test_without_any_operator_the_page_says_how_to_make_one(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "dispatch.db")
    page = browser(Sessions(store)).get(PATH).text
    store.close()
    assert FIRST in page
    assert "<form" not in page


def test_before_the_store_is_open_there_is_no_login() -> None:
    assert browser(None).get(PATH).status_code == 503


@pytest.mark.parametrize(
    "path",
    [
        "/console",
        "/console/",
        "/console/rules",
        "/console/cases/7?tab=x#y",
        "/console/case/%E5%B7%A5",
        "/console/a%20b",
    ],
)
def test_the_way_on_leads_to_a_page_of_the_console(path: str) -> None:
    assert inside(path) == path


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "/",
            "/route",
            "/consolex",
            "console/",
            "//evil.test/console/",
            "https://evil.test/console/",
            "/\\evil.test",
        ),
        *("/console/../admin", "/console/%2e%2e/admin", "/console/.%2E/x", "/console\\..\\x", "/console//evil.test"),
        *("/console/login", "/console/logout", "/console/\r\nX: y", "/console/%0d%0aX", "javascript:alert(1)"),
        *("https:///console/", "http:/console/", "//[/console/"),
    ],
)
def test_the_way_on_leads_nowhere_else(path: str) -> None:
    assert inside(path) == HOME
