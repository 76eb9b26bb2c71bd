from pathlib import Path
from typing import Any

from serving.app import create_app
from serving.guard.guard import OPEN_PATHS, STATUSES
from serving.routing import Router
from serving.settings import Settings


def page(folder: Path, router: Router) -> dict[str, Any]:
    app = create_app(Settings(data_dir=folder), router)
    app.openapi()
    return app.openapi()  # as often as it is asked for, it says the same


def test_the_page_names_the_scopes_of_each_path(tmp_path: Path, router: Router) -> None:
    schema = page(tmp_path, router)
    assert schema["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    route = schema["paths"]["/route"]["post"]
    assert route["security"] == [{"key": ["intake"]}]
    assert route["description"] == "密钥权限（任一）：`intake` 受理。"
    assert schema["paths"]["/cases/{case_id}/decision"]["post"]["security"] == [{"key": ["operator"]}]
    assert "security" not in schema["paths"]["/healthz"]["get"]


def test_the_page_names_every_refusal(tmp_path: Path, router: Router) -> None:
    schema = page(tmp_path, router)
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            told = {int(status) for status in operation["responses"]}
            wanted = STATUSES - (set() if "requestBody" in operation else {413})
            assert path in OPEN_PATHS or told >= wanted
    (refusal,) = [schema["paths"]["/route"]["post"]["responses"]["401"]]
    assert refusal == {"$ref": "#/components/responses/unauthorized"}
    assert "application/problem+json" in schema["components"]["responses"]["unauthorized"]["content"]
