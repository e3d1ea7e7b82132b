"""What `make` installs and what it says when it cannot."""

from pathlib import Path

import pytest

from tools.stack import bootstrap
from tools.stack.console import INTERRUPTED, StackError, run_command


def test_pip_options_of_the_environment_win_over_those_of_files() -> None:
    listing = (
        ":env:.index-url='https://mine.example/simple'\n"
        "global.index-url='https://theirs.example/simple'\n"
        "global.extra-index-url='https://one.example https://two.example'\n"
    )
    options = bootstrap.pip_configuration(listing)
    assert options["index-url"] == "https://mine.example/simple"
    assert options["extra-index-url"] == "https://one.example https://two.example"


def test_dotenv_is_read_under_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("# keys\nexport OPENAI_API_KEY='from file'\nLOCAL_MODEL=0\n")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    settings = bootstrap.read_settings({"LOCAL_MODEL": "1"})
    assert settings == {"OPENAI_API_KEY": "from file", "LOCAL_MODEL": "1"}


def test_no_compiler_is_found_on_an_empty_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    assert not bootstrap.compilers_present()


@pytest.mark.parametrize("lock", bootstrap.SETS)
def test_lock_files_name_exact_versions_and_no_place(lock: str) -> None:
    text = (bootstrap.REQUIREMENTS / f"{lock}.txt").read_text()
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert lines
    assert all("==" in line for line in lines)
    assert "://" not in text
    assert "--index" not in text


def test_compile_progress_names_the_step_pip_is_at(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "Collecting llama-cpp-python\n  Building wheel (pyproject.toml): still running...\n"
    )
    assert bootstrap.compile_progress(log) == "Building wheel (pyproject.toml)"


def test_a_mistake_ends_as_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> int:
        raise StackError("Port 1 is taken: choose another.")

    assert run_command(refuse) == 1
    assert capsys.readouterr().err == "\nkaren: Port 1 is taken: choose another.\n"


def test_an_interrupt_ends_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    assert run_command(interrupted) == INTERRUPTED
    assert "Traceback" not in capsys.readouterr().err
