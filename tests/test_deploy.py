"""What deploy/ names must exist: settings, commands, ports, paths, metrics, labels."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from dispatch_model.errors import DispatchError
from serving import cli
from serving.app import create_app
from serving.guard.guard import CONSOLE
from serving.monitoring.metrics import Metrics
from serving.routing import Router
from serving.settings import Settings, variable

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
MANIFESTS = sorted(KUBERNETES.glob("*.yaml"))
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def compose() -> dict[str, Any]:
    return read(DEPLOY / "compose.yaml")


def manifest(kind: str, *, console: bool = False) -> dict[str, Any]:
    """The one manifest of that kind, of the service or of its console."""
    bodies = [body for body in map(read, MANIFESTS) if body.get("kind") == kind]
    (found,) = [body for body in bodies if (body.get("metadata", {}).get("name") == "dispatch-console") == console]
    return found


def pod(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = manifest(kind)["spec"]["template"]["spec"]
    return found


def environments() -> Iterator[dict[str, str]]:
    """What the service is given, by each way of running it."""
    yield from (service["environment"] for service in compose()["services"].values() if "build" in service)
    yield manifest("ConfigMap")["data"] | manifest("Secret")["stringData"]


def paths(tmp_path: Path, router: Router) -> set[str]:
    return set(create_app(Settings(data_dir=tmp_path), router).openapi()["paths"])


def nginx() -> str:
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def test_every_setting_exists_and_its_value_is_understood() -> None:
    assert len(list(environments())) == 4
    for environment in environments():
        given = {name for name in environment if name.startswith("DISPATCH_")}
        assert given - set(map(variable, Settings.model_fields)) == set()
        Settings.load(environment={name: str(environment[name]) for name in given} | {variable("secret_key"): "0" * 64})


def test_every_command_exists() -> None:
    service = compose()["services"]
    run = [service["migrate"]["command"], *(one["command"] for one in pod("Job")["containers"])]
    told = re.findall(r"dispatch (keys create|migrate|serve)", (DEPLOY / "README.md").read_text(encoding="utf-8"))
    group: Any = typer.main.get_command(cli.app)
    for words in [*(command[1:] for command in run), *map(str.split, told)]:
        found = group
        for word in words:
            found = found.commands[word]
    assert {command[0] for command in run} == {"dispatch"}
    assert set(told) == {"keys create", "migrate"}


def test_the_port_is_the_same_everywhere() -> None:
    (environment,) = {environment["DISPATCH_PORT"] for environment in environments()}
    deployment = manifest("Deployment")["spec"]["template"]
    ((port,),) = [container["ports"] for container in deployment["spec"]["containers"]]
    assert port["containerPort"] == int(environment)
    assert deployment["metadata"]["annotations"]["prometheus.io/port"] == environment
    assert re.findall(r"server dispatch:(\d+)", nginx()) == [environment]
    (service,) = manifest("Service")["spec"]["ports"]
    assert service["targetPort"] == port["name"]
    backends = [path["backend"]["service"] for path in manifest("Ingress")["spec"]["rules"][0]["http"]["paths"]]
    assert {backend["port"]["name"] for backend in backends} == {service["name"]}
    console = manifest("Service", console=True)["metadata"]["name"]
    assert {backend["name"] for backend in backends} == {manifest("Service")["metadata"]["name"], console}


def test_compose_publishes_what_nginx_listens_on_and_only_that() -> None:
    published = {name: service["ports"] for name, service in compose()["services"].items() if "ports" in service}
    (listens,) = re.findall(r"listen (\d+);", nginx())
    assert list(published) == ["nginx"]
    assert published["nginx"] == [f"${{DISPATCH_PUBLISH:-127.0.0.1:8080}}:{listens}"]


def test_every_variable_of_compose_has_an_example() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    example = (DEPLOY / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+)", text)) == set(re.findall(r"^(\w+)=", example, re.MULTILINE))


def test_probes_and_scraping_ask_paths_of_the_service(tmp_path: Path, router: Router) -> None:
    (container,) = pod("Deployment")["containers"]
    asked = {container[probe]["httpGet"]["path"] for probe in PROBES}
    annotations = manifest("Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert asked == {"/healthz", "/readyz"}
    assert asked <= paths(tmp_path, router)
    assert annotations["prometheus.io/path"] == "/metrics"


def test_callers_reach_everything_but_what_is_for_the_inside(tmp_path: Path, router: Router) -> None:
    prefixes = [path["path"] for path in manifest("Ingress")["spec"]["rules"][0]["http"]["paths"]]
    inside = {path for path in paths(tmp_path, router) if not path.startswith(tuple(prefixes))}
    assert inside <= {"/healthz", "/readyz", "/metrics"}
    known = [*paths(tmp_path, router), CONSOLE]
    assert [prefix for prefix in prefixes if not any(path.startswith(prefix) for path in known)] == []
    for hidden in ("/metrics", "/readyz"):
        assert re.search(rf"location = {hidden} {{\s*return 404;", nginx())


def test_the_autoscaler_watches_a_metric_the_service_has() -> None:
    scaler = manifest("HorizontalPodAutoscaler")["spec"]
    (metric,) = [one["pods"]["metric"]["name"] for one in scaler["metrics"] if one["type"] == "Pods"]
    assert f"# TYPE {metric} gauge" in Metrics().render(None).decode()
    (rule,) = read(KUBERNETES / "adapter-values.yaml")["rules"]["custom"]
    assert rule["name"]["as"] == metric
    assert rule["seriesQuery"].startswith(f"{metric}{{")
    deployment = manifest("Deployment")
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert scaler["scaleTargetRef"]["apiVersion"] == deployment["apiVersion"]
    assert "replicas" not in deployment["spec"]
    assert scaler["minReplicas"] >= 2


@pytest.mark.parametrize("selector", ["Service", "PodDisruptionBudget", "Deployment", "spread"])
def test_what_selects_pods_selects_those_of_the_deployment_only(selector: str) -> None:
    if selector == "spread":
        labels = pod("Deployment")["topologySpreadConstraints"][0]["labelSelector"]
    else:
        labels = manifest(selector)["spec"]["selector"]
    labels = labels.get("matchLabels", labels)
    assert labels.items() <= manifest("Deployment")["spec"]["template"]["metadata"]["labels"].items()
    assert not labels.items() <= manifest("Job")["spec"]["template"]["metadata"]["labels"].items()


def test_a_replica_is_given_the_time_to_drain() -> None:
    finish = Settings().deadline
    delay = float(manifest("ConfigMap")["data"][variable("drain_delay")])
    (container,) = pod("Deployment")["containers"]
    assert pod("Deployment")["terminationGracePeriodSeconds"] > delay + finish
    assert delay > container["readinessProbe"]["periodSeconds"] * container["readinessProbe"]["failureThreshold"]
    service = compose()["services"]["dispatch"]
    grace = float(service["stop_grace_period"].removesuffix("s"))
    assert grace > float(service["environment"][variable("drain_delay")]) + finish


def test_a_replica_has_a_core_for_every_worker() -> None:
    (container,) = pod("Deployment")["containers"]
    assert container["resources"]["requests"]["cpu"] == manifest("ConfigMap")["data"][variable("workers")]
    service = compose()["services"]["dispatch"]
    assert service["deploy"]["resources"]["limits"]["cpus"] == service["environment"][variable("workers")]


def test_pods_run_as_the_user_of_the_image_and_may_write_only_where_it_writes() -> None:
    (user,) = re.findall(r"--uid (\d+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    for kind in ("Deployment", "Job"):
        (container,) = pod(kind)["containers"]
        assert pod(kind)["securityContext"]["runAsUser"] == int(user)
        assert container["securityContext"]["readOnlyRootFilesystem"]
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert manifest("ConfigMap")["data"][variable("data_dir")] in mounts
        assert set(mounts.values()) == {volume["name"] for volume in pod(kind)["volumes"]}


def test_the_example_of_a_secret_key_is_refused() -> None:
    example = manifest("Secret")["stringData"]
    with pytest.raises(DispatchError, match="secret_key"):
        Settings.load(environment=example)


def test_the_kustomization_lists_every_manifest_but_the_secret() -> None:
    listed = set(manifest("Kustomization")["resources"])
    apart = {"kustomization.yaml", "secret.example.yaml", "adapter-values.yaml"}
    assert listed == {path.name for path in MANIFESTS} - apart


def test_no_password_stands_in_the_repository() -> None:
    for environment in environments():
        given = re.search(r"//dispatch:([^@]+)@", environment[variable("database_url")])
        assert given
        assert given[1].startswith("${POSTGRES_PASSWORD:?") or given[1] == "PASSWORD"


def test_a_case_may_be_told_to_a_second_replica_and_a_decision_may_not() -> None:
    blocks = dict(re.findall(r"location ([^{]+) {([^}]*)}", nginx()))
    assert "non_idempotent" in blocks["/route"]
    assert "non_idempotent" not in blocks["/"]


def test_the_console_has_one_process_and_the_replicas_have_none() -> None:
    console = manifest("Deployment", console=True)["spec"]
    (container,) = console["template"]["spec"]["containers"]
    services = compose()["services"]
    assert (console["replicas"], console["strategy"]["type"]) == (1, "Recreate")
    assert container["command"] == services["console"]["command"]
    port = services["dispatch"]["environment"][variable("port")]
    assert container["command"] == ["dispatch", "console", "--port", port]
    assert "deploy" not in services["console"] or "replicas" not in services["console"]["deploy"]
    assert {environment[variable("console")] for environment in environments()} == {"false"}
    labels = manifest("Service", console=True)["spec"]["selector"]
    assert labels.items() <= console["template"]["metadata"]["labels"].items()
    assert not labels.items() <= manifest("Deployment")["spec"]["template"]["metadata"]["labels"].items()
    assert re.search(rf"location {CONSOLE} {{\s*proxy_pass http://console;\s*proxy_set_header Upgrade", nginx())
