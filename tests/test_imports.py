import json
import subprocess
import sys

import pytest

TRAINING = {"torch", "transformers", "datasets", "sklearn", "matplotlib", "onnx"}
OUTSIDE = {"fastapi", "starlette", "uvicorn", "httpx", "sqlalchemy", "sqlite3", "typer"}


def loaded(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after `statement`."""
    code = (
        f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout))


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import dispatch_model.router", TRAINING | OUTSIDE | {"serving", "training"}),
        ("import serving.server", TRAINING | {"training"}),
        ("import serving.bulk.batch, serving.display, serving.routing", TRAINING | {"fastapi", "sqlalchemy"}),
        ("import serving.bulk.ray_batch, serving.bulk.sizing", TRAINING | {"fastapi", "sqlalchemy", "ray"}),
        ("import serving.client", TRAINING | {"fastapi", "sqlalchemy", "numpy", "onnxruntime"}),
        ("import serving.signing", TRAINING | OUTSIDE | {"pydantic", "numpy"}),
        ("import serving.cli", TRAINING | {"fastapi", "sqlalchemy", "numpy", "onnxruntime", "pydantic"}),
    ],
)
def test_a_room_loads_only_what_it_may(statement: str, forbidden: set[str]) -> None:
    assert loaded(statement) & forbidden == set()
