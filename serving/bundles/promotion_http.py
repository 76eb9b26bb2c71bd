"""Promotion by a running service: `GET /admin/bundles`, `POST /admin/bundle`, `POST /admin/bundle/rollback`."""

from typing import Any

from dispatch_model.errors import DispatchError, ErrorKind
from serving.bundles.promotion import Force

try:
    import httpx
except ModuleNotFoundError as error:
    raise DispatchError(
        ErrorKind.MISSING_EXTRA,
        "缺少访问服务所需的 httpx；请先安装客户端扩展：pip install 'hotline-dispatch[client]'，或去掉 --url。",
        field=error.name,
    ) from None

SECONDS = 60.0  # loading verifies, tries and warms a bundle
_KINDS = {kind.value: kind for kind in ErrorKind}


class Service:
    """A service that runs.

    :param url: where it listens.
    :param key: an API key with the scope admin; None where the service asks for none.
    :param transport: how httpx connects.
    """

    def __init__(self, url: str, key: str | None = None, *, transport: httpx.BaseTransport | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=SECONDS, transport=transport)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def current(self) -> Force:
        """The bundle in force."""
        return _force(self._ask("GET", "/admin/bundles")["current"])

    def load(self, name: str, replaces: str, note: str) -> Force:
        """Have a bundle loaded; refused where another came into force meanwhile."""
        return _force(self._ask("POST", "/admin/bundle", path=name, replaces=replaces, note=note)["bundle"])

    def rollback(self, version: str, note: str) -> Force:
        """Have an earlier one loaded again."""
        return _force(self._ask("POST", "/admin/bundle/rollback", version=version, note=note)["bundle"])

    def _ask(self, method: str, path: str, /, **query: str) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, params=query)
            body = response.json()
        except httpx.TransportError as error:
            told = f"派单服务 {self._http.base_url} 没有应答（{type(error).__name__}）；请核对 --url、网络和服务状态。"
            raise DispatchError(ErrorKind.NOT_READY, told, field="url") from None
        except ValueError:
            body = None
        if not isinstance(body, dict):
            told = f"{self._http.base_url} 应答 {response.status_code}，不是派单服务的格式；请核对 --url。"
            raise DispatchError(ErrorKind.NOT_READY, told, field="url")
        if response.status_code != 200:
            kind = _KINDS.get(str(body.get("kind")), ErrorKind.INTERNAL)
            parts = {name: body[name] for name in ("field", "value", "details") if body.get(name)}
            raise DispatchError(kind, str(body.get("message") or f"派单服务应答 {response.status_code}。"), **parts)
        return body


def _force(told: dict[str, Any]) -> Force:
    return Force(str(told["version"]), str(told["sha256"]))
