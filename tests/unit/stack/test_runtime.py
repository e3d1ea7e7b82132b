"""The environment of a run and the checks before it."""

import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tools.stack import runtime
from tools.stack.bootstrap import ROOT
from tools.stack.console import StackError
from tools.stack.greeting import welcome
from tools.stack.leftovers import is_alive, read_pid, works_in
from tools.stack.manage import operator_options


def test_a_taken_port_names_the_next_one() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=rf"Port {port} is taken.*PORT={port + 1} make run"):
            runtime.require_free_port({"PORT": str(port), "BIND": "127.0.0.1"})


@pytest.mark.parametrize("text", ["", "abc", "0", "70000", "-1"])
def test_a_port_that_is_no_port_is_named(text: str) -> None:
    with pytest.raises(StackError, match="PORT must be a number"):
        runtime.require_free_port({"PORT": text, "BIND": "127.0.0.1"})


def test_secrets_are_made_once_and_closed_to_others(tmp_path: Path) -> None:
    first = runtime.read_secrets(tmp_path, {})
    assert (tmp_path / "secrets.env").stat().st_mode & 0o777 == 0o600
    assert runtime.read_secrets(tmp_path, {}) == first
    assert len(first["SECRET_KEY"]) >= 50


def test_a_secret_the_operator_set_is_not_replaced(tmp_path: Path) -> None:
    assert "SECRET_KEY" not in runtime.read_secrets(tmp_path, {"SECRET_KEY": "mine"})


def test_an_unwritable_folder_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match=r"cannot be written.*KAREN_VAR="):
        runtime.var_folder({"KAREN_VAR": str(tmp_path / "file" / "var")})


def test_a_second_run_over_the_same_folder_is_refused(tmp_path: Path) -> None:
    attempt = (
        "import sys, pathlib; from tools.stack.runtime import sole_run\n"
        "with sole_run(pathlib.Path(sys.argv[1])): pass"
    )
    with runtime.sole_run(tmp_path):
        second = subprocess.run(
            [sys.executable, "-c", attempt, str(tmp_path)],
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
    assert "Karen is already running" in second.stderr


def test_a_record_of_a_run_that_is_gone_is_not_believed(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    record = runtime.RunRecord(pid=gone.pid, port=8000, environment={})
    record.write(tmp_path)
    (tmp_path / "run.lock").write_text(f"{gone.pid}\n")
    assert runtime.read_run(tmp_path) is None


def test_a_number_that_belongs_to_another_process_is_not_ours(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path) as process:
        assert is_alive(process.pid)
        assert works_in(process.pid, tmp_path)
        assert not works_in(process.pid, tmp_path / "postgres")
        process.kill()


def test_a_pid_file_with_nonsense_names_nobody(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text("nonsense\n")
    assert read_pid(tmp_path / "pid") is None
    assert read_pid(tmp_path / "missing") is None


def test_the_greeting_tells_where_to_sign_in() -> None:
    demo = {"url": "http://demo.localhost:8001/", "email": "a@b.example", "password": "pw"}
    text = welcome({"PORT": "8001"}, {"demo": demo, "notes": ["be quick"]}, 3.2)
    for part in ("http://localhost:8001/", "a@b.example", "pw", "OPENAI_API_KEY", "be quick"):
        assert part in text


def test_the_greeting_praises_no_other_model_where_one_is_set() -> None:
    assert "GGUF" not in welcome({"PORT": "8001", "OPENAI_API_KEY": "sk"}, {}, 3.2)


def test_operator_answers_come_from_the_environment_for_that_command_only() -> None:
    answers = {"OPERATOR_EMAIL": "op@karen.example"}
    assert operator_options(["create_operator"], answers) == ["--email=op@karen.example"]
    assert operator_options(["shell"], answers) == []
