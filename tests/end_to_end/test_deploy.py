"""The examples of deploy/ are held against the command line, the exit codes, the lock and systemd."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml
from load_tables import LOADED, VARIABLE
from run_demo import commands, prepare
from typer.main import get_command

from netlift import errors
from netlift.cli import INTERNAL_ERROR, app
from netlift.config.business import load

HOUSE = Path(__file__).parents[2]
DEPLOY = HOUSE / "deploy"
VERBS = get_command(app).commands
DAY = re.compile(r'"?\$+\(date \+(?:\\?%)+F\)"?|\{\{ ds \}\}')
MAY_PASS = {errors.BusyError.exit_code, errors.ResourceError.exit_code}
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.NetliftError)]
FINAL = {kind.exit_code for kind in KINDS} - MAY_PASS | {INTERNAL_ERROR}


def read(name: str) -> str:
    return (DEPLOY / name).read_text()


def compose() -> dict:
    return yaml.safe_load(read("compose.yaml"))


def dag_commands() -> dict[str, list[str]]:
    tree = ast.parse(read("airflow_dag.py"))
    names: dict = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id in ("NETLIFT", "COMMANDS"):
            exec(compile(ast.Module([node], []), "dag", "exec"), names)
    return names["COMMANDS"]


def command_lines() -> list[str]:
    """Every netlift command of the examples and of the page about them."""
    texts = [read(name) for name in ("crontab", "netlift-nightly.service", "compose.yaml")]
    texts += [(HOUSE / "docs" / "how-to" / name).read_text() for name in ("operations.md", "upgrade.md", "nightly.md")]
    lines = [shlex.join(command) for command in dag_commands().values()]
    for text in texts:
        lines += re.findall(r"(?:\.venv/bin/|exec |run --rm )netlift( [^`>|'\n]+)", text)
        lines += re.findall(r"^netlift( [^#`\n]+)", text, re.MULTILINE)
    return lines


def test_every_command_is_one_that_netlift_takes():
    lines = command_lines()
    assert len(lines) >= 10
    for line in lines:
        words = [word for word in shlex.split(DAY.sub("2026-10-01", line)) if word != ".venv/bin/netlift"]
        verb, options = words[0], words[1:]
        with VERBS[verb].make_context(verb, options) as context:
            assert context.params, line


def test_the_dag_and_the_service_try_again_what_may_pass_and_nothing_else():
    service = read("netlift-nightly.service")
    never = re.search(r"^RestartPreventExitStatus=(.+)$", service, re.MULTILINE)[1]
    assert {int(code) for code in never.split()} == FINAL and "\nRestart=on-failure\n" in service
    (final,) = re.findall(r"^FINAL = (.+)$", read("airflow_dag.py"), re.MULTILINE)
    assert ast.literal_eval(final) == FINAL


class Operator:
    """Stands in for Airflow's."""

    def __init__(self, **options: object) -> None:
        self.options, self.after = options, []

    def __rshift__(self, other: Operator) -> Operator:
        self.after.append(other.options["task_id"])
        return other


class Dag:
    def __init__(self, name: str, **options: object) -> None:
        self.name, self.options = name, options

    def __enter__(self) -> Dag:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def load_dag(monkeypatch, left_with: int) -> ModuleType:
    class FailError(Exception):
        pass

    class Hook:
        def run_command(self, command: list[str], cwd: str, env: dict[str, str]) -> SimpleNamespace:
            return SimpleNamespace(exit_code=left_with)

    stubs = {
        "airflow": {"DAG": Dag},
        "airflow.exceptions": {"AirflowFailException": FailError},
        "airflow.hooks.subprocess": {"SubprocessHook": Hook},
        "airflow.operators.python": {"PythonOperator": Operator},
    }
    for name, content in stubs.items():
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(**content))
    module = ModuleType("dag")
    exec(compile(read("airflow_dag.py"), "airflow_dag.py", "exec"), vars(module))
    return module


@pytest.mark.parametrize("code", sorted({0} | MAY_PASS | FINAL))
def test_the_dag_fails_for_good_where_no_retry_would_help(monkeypatch, code):
    dag = load_dag(monkeypatch, code)
    if code == 0:
        assert dag.run(["netlift", "check"]) is None
        assert [(task.options["task_id"], task.after) for task in dag.tasks] == [
            ("check", ["night"]),
            ("night", ["doctor"]),
            ("doctor", []),
        ]
        return
    expected = dag.AirflowFailException if code in FINAL else RuntimeError
    with pytest.raises(expected, match=f"left with {code}"):
        dag.run(["netlift", "check"])


def test_the_compose_file_names_only_what_it_has():
    found = compose()
    services = found["services"]
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name
        kept = {volume.partition(":")[0] for volume in service.get("volumes", ())}
        own = {place for place in kept if place.startswith("./")}
        assert kept - own <= set(found["volumes"]) and all((DEPLOY / place).exists() for place in own), name
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), "nothing here asks for a password"
    asked = set(re.findall(r"\$\{(\w+):\?\}", read("compose.yaml")))
    assert asked == {line.partition("=")[0] for line in read("compose.env.example").split()}
    assert all(line.endswith("=") for line in read("compose.env.example").split()), "no password in a file"


def test_the_config_of_the_image_is_the_demo_on_the_servers_of_the_compose_file(tmp_path):
    folder = prepare(tmp_path / "image", trials=None)
    settings = load(folder / "configs" / "server.yaml")
    services = compose()["services"]
    given = set(services["nightly"]["environment"])
    assert settings.tracking is not None
    assert {settings.tracking.uri_env, settings.tracking.registry_uri_env} <= given
    tables = settings.data.tables
    assert {name: source.table for name, source in tables.items()} == {name: name for name in tables}
    assert {source.url_env for source in tables.values()} == {VARIABLE} <= given
    assert all(LOADED.startswith(f"{source.updated_at} ") for source in tables.values())
    assert "--config configs/server.yaml" in services["nightly"]["command"][0]


def test_the_head_of_the_compose_file_runs_services_that_it_has_and_verbs_that_netlift_takes():
    services, found = compose()["services"], commands()
    assert {service for service, _ in found} == {"netlift", "load"} <= set(services)
    assert services["load"]["entrypoint"][:2] == ["python", "deploy/load_tables.py"]
    verbs = [arguments[0] for service, arguments in found if service == "netlift"]
    assert verbs == ["simulate", "check", "train", "score", "readout", "portfolio", "decide"]


def test_the_images_copy_what_there_is_and_install_what_is_locked():
    copied = re.findall(r"^COPY (.+) \S+$", read("Dockerfile") + read("mlflow.Dockerfile"), re.MULTILINE)
    assert copied and [name for line in copied for name in line.split() if not (HOUSE / name).exists()] == []
    locks = {name: (HOUSE / f"requirements{name}.lock").read_text() for name in ("", "-engines", "-servers")}
    assert "-r requirements-servers.lock" in read("mlflow.Dockerfile")
    assert locked("mlflow", locks["-servers"]) == locked("mlflow", locks[""])
    for name, version in re.findall(r"(psycopg\S*)==(\S+)", read("Dockerfile")):
        assert version == locked(name, locks["-engines"])


def locked(name: str, lock: str) -> str:
    return re.search(rf"^{name}==(\S+)", lock, re.MULTILINE)[1]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_takes_the_units(tmp_path):
    for name in ("netlift-nightly.service", "netlift-nightly.timer"):
        (tmp_path / name).write_text(read(name).replace("User=netlift\n", ""))
    units = [str(tmp_path / name) for name in ("netlift-nightly.timer", "netlift-nightly.service")]
    run = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0 and "netlift" not in run.stderr, run.stderr
