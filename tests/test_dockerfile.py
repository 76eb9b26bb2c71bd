import json
import re
import tomllib
from pathlib import Path
from typing import Any

from serving.app import create_app
from serving.routing import Router
from serving.settings import Settings, variable

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "transformers", "datasets", "scikit-learn", "scipy", "matplotlib", "onnx"}
Step = tuple[str, str]


def stages() -> list[list[Step]]:
    """Instruction and argument of each step, continued lines joined, by build stage."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    found: list[list[Step]] = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            instruction, _, argument = line.partition(" ")
            if instruction == "FROM":
                found.append([])
            found[-1].append((instruction, " ".join(argument.split())))
    return found


def arguments(stage: list[Step], instruction: str) -> list[str]:
    return [argument for name, argument in stage if name == instruction]


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return table


def test_the_python_is_one_the_project_supports() -> None:
    lowest = project()["project"]["requires-python"].removeprefix(">=")
    for stage in stages():
        assert arguments(stage, "FROM")[0].startswith(f"python:{lowest}-slim")


def test_only_the_base_package_is_installed() -> None:
    build, final = stages()
    installs = [step for step in arguments(build, "RUN") + arguments(final, "RUN") if "install" in step]
    assert [step.split(" install ")[1] for step in installs] == ["--no-cache-dir ."]


def test_the_base_package_has_no_training_library() -> None:
    names = {re.split(r"[\[<>=~! ]", wanted)[0] for wanted in project()["project"]["dependencies"]}
    assert "onnxruntime" in names
    assert names & HEAVY == set()


def test_what_is_copied_exists_and_is_every_package_the_service_imports() -> None:
    build = stages()[0]
    copied = [word for step in arguments(build, "COPY") for word in step.split()[:-1]]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    packages = {name.rstrip("*") for name in project()["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert packages - set(copied) == {"training"}


def test_the_service_runs_as_a_plain_user_who_owns_its_data() -> None:
    final = stages()[-1]
    (user,) = arguments(final, "USER")
    (home,) = [re.search(r"--home-dir (\S+)", step) for step in arguments(final, "RUN") if f" {user}" in step]
    environment = dict(word.split("=", 1) for word in arguments(final, "ENV")[0].split())
    assert user not in {"root", "0"}
    assert home is not None
    assert home[1] == environment[variable("data_dir")]


def test_the_environment_is_understood_by_the_settings() -> None:
    environment = dict(word.split("=", 1) for word in arguments(stages()[-1], "ENV")[0].split())
    settings = Settings.load(environment=environment)
    assert str(settings.port) in arguments(stages()[-1], "EXPOSE")
    assert settings.host == "0.0.0.0"
    unknown = {name for name in environment if name.startswith("DISPATCH_")} - set(map(variable, Settings.model_fields))
    assert unknown == set()


def test_the_health_check_asks_a_path_of_the_app(tmp_path: Path, router: Router) -> None:
    (check,) = arguments(stages()[-1], "HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    found = re.search(r"\+ '(/[a-z]+)'", command[-1])
    paths = create_app(Settings(data_dir=tmp_path), router).openapi()["paths"]
    assert found is not None
    assert found[1] in paths
    compile(command[-1], "health check", "exec")


def test_the_command_is_a_console_script_of_the_project() -> None:
    (command,) = arguments(stages()[-1], "CMD")
    assert json.loads(command)[0] in project()["project"]["scripts"]
