"""The page's own modules, under Node's test runner; and what no test of theirs can see."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MODULES = sorted((ROOT / "static" / "web" / "js").glob("*.js"))
NODE_AT_LEAST = 20


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("NOT RUN: the JavaScript tests need Node.js 20 or newer (apt install nodejs)")
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    if int(answer.stdout.lstrip("v").partition(".")[0]) < NODE_AT_LEAST:
        pytest.skip(f"NOT RUN: the JavaScript tests need Node.js 20 or newer, not {answer.stdout}")
    return node


def test_the_modules_pass_their_own_tests() -> None:
    files = sorted(str(path) for path in (ROOT / "tests" / "web_js").glob("*.test.js"))
    result = subprocess.run(
        [_node(), "--test", "--test-reporter=tap", *files],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"# pass {result.stdout.count('# Subtest: ')}" in result.stdout, result.stdout


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_a_module_makes_no_markup_from_strings(module: Path) -> None:
    """DOMPurify in `markdown.js` is the only way from text to elements."""
    text = module.read_text()
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
    assert not re.findall(forbidden, text)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_every_import_exists(module: Path) -> None:
    for address in re.findall(r'^(?:import|export)\b.*?"(\.[^"]+)";', module.read_text(), re.M):
        assert (module.parent / address).resolve().is_file(), address


def test_vendored_files_are_named_in_the_readme() -> None:
    vendor = ROOT / "static" / "vendor"
    readme = (vendor / "README.md").read_text()
    for folder in (path for path in vendor.iterdir() if path.is_dir()):
        assert (folder / "LICENSE").is_file()
        for file in folder.glob("*.*js"):
            assert f"`{folder.name}/{file.name}`" in readme
