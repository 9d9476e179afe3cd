"""The app lets nobody in: a real server, hostile requests, and damaged addresses in a browser."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from model.options import RunOptions
from model.runs import run as negotiate
from tests.browser import COMMAND, DEMANDED, Server, browser, chromium, complaints, served
from viz.jobs import runs

WATCHED = Path(__file__).with_name("watched_app.py")
SECRET = "secret-title-of-another-folder"
KERNEL = "/jupyter/api/kernels/8d2f/channels?session_id=page"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def results(place: Path) -> Path:
    out = place / "results"
    negotiate(RunOptions("two_countries", max_steps=1, out=out))
    return out


@pytest.fixture(scope="module")
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of the app's, in a group of its own."""
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def outside(place: Path, results: Path, sleeper: subprocess.Popen[bytes]) -> Path:
    """A run and a job that lie beside the results, and a process that the job says is its own."""
    folder = place / "outside"
    shutil.copytree(runs(results)[0], folder / "run")
    manifest = json.loads((folder / "run" / "manifest.json").read_text())
    manifest["options"]["protocol"] = SECRET
    (folder / "run" / "manifest.json").write_text(json.dumps(manifest))
    began = psutil.Process(sleeper.pid).create_time()
    command = ["--resume", str(folder / "run")]
    job = {"process": sleeper.pid, "started_s": began, "command": command}
    (folder / "job.json").write_text(json.dumps(job))
    # The same lies among the results, where it may be read but is nobody's process.
    forged = results / "app" / "forged"
    forged.mkdir(parents=True)
    (forged / "job.json").write_text(json.dumps(job))
    (results / "app" / "link").symlink_to(folder)
    (results / "way-out").symlink_to(place)
    return folder


@pytest.fixture(scope="module")
def seen(place: Path) -> Path:
    return place / "seen.txt"


@pytest.fixture(scope="module")
def no_news(place: Path) -> Path:
    return place / "no-news"


@pytest.fixture(scope="module")
def server(
    place: Path, results: Path, outside: Path, seen: Path, no_news: Path
) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORBIDDEN", str(outside))
        patch.setenv("SEEN", str(seen))
        patch.setenv("NO_NEWS", str(no_news))
        with served(results, place / "log.txt", place, WATCHED) as running:
            seen.write_text("")
            yield running


@pytest.fixture(scope="module")
def running() -> Iterator[Any]:
    if chromium() is None:
        if os.environ.get(DEMANDED):
            pytest.fail(f"{DEMANDED} is set and there is no chromium: apt-get install chromium")
        pytest.skip("no chromium here; apt-get install chromium runs the tests of the app")
    with browser("--host-resolver-rules=MAP evil.example 127.0.0.1") as found:
        yield found


@pytest.fixture(scope="module")
def reader(running: Any, server: Server) -> Iterator[Any]:
    """Browser of somebody with the key."""
    context = server.reader(running)
    yield context
    context.close()


def asked(server: Server, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, str]:
    """Status and body of an answer; headers replace those of a reader with the key."""
    usual = {"host": f"127.0.0.1:{server.port}", "cookie": f"{server.cookie}={server.key}"}
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    line.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in (usual | headers).items():
        if value:
            line.putheader(name, value)
    line.endheaders()
    answer = line.getresponse()
    text = answer.read().decode()
    line.close()
    return answer.status, text


class TestRequests:
    """Whoever asks by another name, from another page or without the key."""

    def test_a_reader_with_the_key_is_let_in(self, server: Server) -> None:
        assert asked(server)[0] == 200
        own = f"http://127.0.0.1:{server.port}"
        assert asked(server, "/readyz", origin=own)[0] == 200
        assert asked(server, host=f"LOCALHOST:{server.port}")[0] == 200
        assert asked(server, host=f"[::1]:{server.port}")[0] == 200

    @pytest.mark.parametrize(
        "host",
        [
            "",
            "evil.example",
            "evil.example:{port}",
            "127.0.0.1",
            "127.0.0.1:1",
            "127.0.0.1:{port}0",
            "127.0.0.1:{port}.evil.example",
            "127.0.0.1.evil.example:{port}",
            "localhost.evil.example:{port}",
            "127.0.0.1@evil.example:{port}",
            "evil.example:{port}@127.0.0.1:{port}",
            "127.0.0.1:{port}/",
            "127.0.0.1:{port}#",
            "127.0.0.2:{port}",
            "0.0.0.0:{port}",
            "[::1:{port}",
            "localhost.:{port}",
        ],
    )
    def test_a_foreign_host_is_refused(self, server: Server, host: str) -> None:
        host = host.format(port=server.port)
        status, text = asked(server, host=host)
        assert status in (400, 403)
        assert "<html" not in text
        # Not even with the key in the address, and not with a page of that very name.
        assert asked(server, f"/?token={server.key}", host=host)[0] in (400, 403)
        if host:
            assert asked(server, host=host, origin=f"http://{host}")[0] in (400, 403)

    def test_two_hosts_are_refused(self, server: Server) -> None:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as line:
            line.sendall(
                f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nHost: evil.example\r\n"
                f"Cookie: {server.cookie}={server.key}\r\nConnection: close\r\n\r\n".encode()
            )
            assert line.makefile().readline().split()[1] in ("400", "403")

    @pytest.mark.parametrize(
        "origin",
        [
            "null",
            "http://evil.example",
            "http://127.0.0.1",
            "http://127.0.0.1:1",
            "https://127.0.0.1:{port}",
            "http://localhost:{port}",
            "http://127.0.0.1:{port}.evil.example",
            "http://127.0.0.1:{port}/",
        ],
    )
    def test_a_foreign_page_is_refused(self, server: Server, origin: str) -> None:
        origin = origin.format(port=server.port)
        for method, path in (("GET", "/"), ("POST", "/_solara/api/close/8d2f?session_id=1")):
            status, text = asked(server, path, method, origin=origin)
            assert (status, "foreign" in text or "page" in text) == (403, True)

    @pytest.mark.parametrize(
        "path", ["/", "/?run=x", "/readyz", "/resourcez", "/static/assets/favicon.png"]
    )
    def test_who_has_no_key_is_refused(self, server: Server, path: str) -> None:
        for cookie in ("", f"{server.cookie}=guess", f"other={server.key}", "\x7f;=;", "a"):
            status, text = asked(server, path, cookie=cookie)
            assert status == 403
            assert "terminal" in text
        assert asked(server, "/?token=guess", cookie="")[0] == 403
        assert asked(server, f"/readyz?token={server.key}", cookie="")[0] == 403

    def test_the_key_moves_into_a_cookie(self, server: Server) -> None:
        line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        line.request("GET", f"/?run=a%20b&token={server.key}&step=1")
        answer = line.getresponse()
        assert answer.status == 303
        assert answer.headers["location"] == "/?run=a+b&step=1"
        cookie = answer.headers["set-cookie"].lower()
        assert cookie.startswith(f"{server.cookie}={server.key}".lower())
        assert "httponly" in cookie and "samesite=lax" in cookie

    @pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://127.0.0.1:1"])
    @pytest.mark.parametrize("key", ["", "guess", "right"])
    def test_web_sockets_of_others_are_refused(
        self, server: Server, origin: str | None, key: str
    ) -> None:
        with pytest.raises(InvalidStatus) as refused:
            self.connected(server, origin, key)
        assert refused.value.response.status_code == 403

    def test_web_sockets_of_the_page_are_let_in_with_the_key_only(self, server: Server) -> None:
        own = f"http://127.0.0.1:{server.port}"
        self.connected(server, own, "right")
        for key in ("", "guess"):
            with pytest.raises(InvalidStatus):
                self.connected(server, own, key)
        with pytest.raises(InvalidStatus):
            self.connected(server, own, "right", host="evil.example")

    @staticmethod
    def connected(server: Server, origin: str | None, key: str, host: str = "127.0.0.1") -> None:
        value = server.key if key == "right" else key
        cookie = {"Cookie": f"{server.cookie}={value}"} if key else {}
        line = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        where = f"ws://{host}:{server.port}{KERNEL}"
        with connect(where, sock=line, origin=origin, additional_headers=cookie):  # type: ignore[arg-type]
            pass

    @pytest.mark.parametrize(
        "path",
        [
            "/../../etc/passwd",
            "/..%2f..%2fetc%2fpasswd",
            "/static/public/..%2f..%2frun.py",
            "/static/assets/..%2f..%2frun.py",
            "/static/..%2f..%2f..%2f..%2frun.py",
            "/jupyter/nbextensions/..%2f..%2f..%2fetc%2fpasswd",
            "/_solara/cdn/..%2f..%2f..%2fpyvenv.cfg",
            "/_solara/cdn/none@1.0.0/none.js",
            "//etc/passwd",
        ],
    )
    def test_files_are_served_from_the_page_s_folders_only(self, server: Server, path: str) -> None:
        """Solara's own way to its files would ask the web for what it does not have."""
        begun = time.monotonic()
        assert asked(server, path)[0] in (400, 404)
        assert time.monotonic() - begun < 5


DAMAGED = [
    "run=../outside/run",
    "run=../../../../../../etc",
    "run=/etc",
    "run={outside}/run",
    "run=..%2Foutside%2Frun",
    "run=%2e%2e/outside/run",
    "run=..%5Coutside%5Crun",
    "run=app/../../outside/run",
    "run=way-out/outside/run",
    "run=app/link/run",
    "run=./../outside/run",
    "run=%00",
    "run=a%00b",
    "run=" + "x" * 3000,
    "run=" + "a/" * 500,
    "run=%ED%A0%80",
    "run=~/x",
    "run=%3Cscript%3Ealert(1)%3C/script%3E",
    "tab=compare&other=../outside/run",
    "job=../..",
    "job=../../outside",
    "job={outside}",
    "job=link",
    "job=forged",
    "job=%00",
    "job=" + "y" * 3000,
    "job=.",
    "tab=%22%3E&step=-1&round=1e9&hour=99999999999999999999&week=%C2%B2",
    "run={run}&tab=outcome&hour=999999999&case=../outside&country=%3Cb%3E&line=..&week=999999999",
    "run={run}&tab=negotiation&step=999999999&round=999999999&product=%00&pair=../..",
    "run={run}&tab=tables&table=../outside",
    "run={run}&job=forged&tab=negotiation",
    "tab=comparison&compare=../outside",
    "tab=comparison&compare={outside}",
    "tab=comparison&compare=app/link",
    "tab=comparison&compare=%00",
    "tab=comparison&compare={run}",
    "tab=new&scenario=%3Cscript%3Ealert(1)%3C/script%3E",
    "tab=new&scenario=../outside",
    "tab=start",
]


class TestBrowser:
    """The same, and damaged addresses, in the reader's own browser."""

    @pytest.mark.parametrize("query", DAMAGED, ids=lambda query: query[:40])
    def test_damaged_addresses_read_and_signal_nothing(
        self,
        reader: Any,
        server: Server,
        results: Path,
        outside: Path,
        seen: Path,
        sleeper: subprocess.Popen[bytes],
        query: str,
    ) -> None:
        run = next(path.name for path in runs(results) if path.parent == results)
        page = reader.new_page()
        found = complaints(page, server.address)
        page.goto(f"{server.address}?{query.format(outside=outside, run=run)}")
        page.get_by_role("button", name="New run").first.wait_for()
        page.wait_for_timeout(700)  # the watcher has looked by then
        text = page.locator("body").inner_text()
        assert SECRET not in text
        assert "Traceback" not in text
        for button in ("Stop the run", "Pause the run", "Let the run go on"):
            assert page.get_by_role("button", name=button).count() == 0
        page.close()
        assert found == []
        assert seen.read_text() == ""
        assert sleeper.poll() is None
        assert psutil.Process(sleeper.pid).status() != psutil.STATUS_STOPPED

    def test_the_observer_sees(
        self, server: Server, running: Any, outside: Path, seen: Path
    ) -> None:
        """What the test above relies on: a file that is opened outside would be noted."""
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(COMMAND.parent)!r})\n"
             "from tests.watched_app import hear\nimport os; sys.addaudithook(hear)\n"
             f"open({str(outside / 'job.json')!r}).close(); os.kill(os.getpid(), 0)"],
            env={**os.environ, "FORBIDDEN": str(outside), "SEEN": str(seen) + "2"},
            check=True,
        )  # fmt: skip
        lines = Path(str(seen) + "2").read_text().splitlines()
        assert done.returncode == 0
        assert [line.split()[0] for line in lines] == ["open", "os.kill"]

    def test_a_name_that_leads_here_is_refused(self, running: Any, server: Server) -> None:
        """DNS rebinding: evil.example is 127.0.0.1 in this browser."""
        page = running.new_page()
        answer = page.goto(f"http://evil.example:{server.port}/?token={server.key}")
        assert answer.status == 403
        assert "not the server's own" in page.locator("body").inner_text()
        page.close()

    def test_a_foreign_page_gets_nothing(self, running: Any, server: Server) -> None:
        """It is of the same site, so that the browser sends it the cookie along."""
        context = server.reader(running)
        page = context.new_page()
        with foreign_site() as address:
            page.goto(address)
            socket_ended = page.evaluate(
                """where => new Promise(done => {
                  const line = new WebSocket(where);
                  line.onopen = () => done("open");
                  line.onerror = () => done("refused");
                })""",
                f"ws://127.0.0.1:{server.port}{KERNEL}",
            )
            fetched = page.evaluate(
                "where => fetch(where, {credentials: 'include'}).then(r => r.text(), () => 'no')",
                server.address,
            )
            frame = page.evaluate(
                """where => new Promise(done => {
                  const frame = document.createElement("iframe");
                  frame.onload = () => setTimeout(() => done(frame.contentDocument === null), 300);
                  frame.src = where;
                  document.body.append(frame);
                })""",
                server.address,
            )
            shown = [f.url for f in page.frames if f.url.startswith(server.address)]
        context.close()
        assert (socket_ended, fetched, frame, shown) == ("refused", "no", True, [])

    def test_a_page_without_news_says_so(
        self, running: Any, server: Server, results: Path, no_news: Path
    ) -> None:
        run = next(path.name for path in runs(results) if path.parent == results)
        context = server.reader(running)
        page = context.new_page()
        page.goto(f"{server.address}?tab=negotiation&run={run}")
        page.locator("[data-figure=map] svg").wait_for()
        assert page.locator(".no-news").count() == 0
        no_news.touch()
        page.locator(".no-news", has_text="the disk is gone").wait_for()
        no_news.unlink()
        page.locator(".no-news").wait_for(state="detached")
        context.close()


class _Foreign(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>foreign</title><body>foreign")

    def log_message(self, *_: Any) -> None:
        pass


class foreign_site:
    """A page of another program on this machine."""

    def __enter__(self) -> str:
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Foreign)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}/"

    def __exit__(self, *_: Any) -> None:
        self.server.shutdown()
        self.server.server_close()


class TestStartAndEnd:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_ends_all_of_it(self, tmp_path: Path, number: int) -> None:
        """With a page open, as its reader leaves it."""
        with served(tmp_path / "results", tmp_path / "log.txt", tmp_path) as server:
            own = f"http://127.0.0.1:{server.port}"
            cookie = {"Cookie": f"{server.cookie}={server.key}"}
            with connect(f"ws://127.0.0.1:{server.port}{KERNEL}", origin=own,  # type: ignore[arg-type]
                         additional_headers=cookie):  # fmt: skip
                process = psutil.Process(server.process.pid)
                all_of_it = [process, *process.children(recursive=True)]
                server.process.send_signal(number)
                code = server.process.wait(20)
        assert code == 0
        _, alive = psutil.wait_procs(all_of_it, timeout=5)
        assert alive == []
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", server.port))
        assert "Traceback" not in (tmp_path / "log.txt").read_text()

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--port", "{taken}"], "is taken"),
            (["--host", "203.0.113.7"], "no address of this machine"),
            (["--host", "no-such-machine.invalid"], "no name or address"),
            (["--port", "70000"], "65535"),
            (["--results", "{file}"], "choose another"),
        ],
    )
    def test_mistakes_are_told_in_one_line(
        self, tmp_path: Path, options: list[str], words: str
    ) -> None:
        file = tmp_path / "file"
        file.touch()
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            given = [word.format(taken=port, file=file) for word in options]
            done = subprocess.run(
                [sys.executable, str(COMMAND), "app", "--no-browser", *given],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert len(done.stderr.splitlines()) == 1
        assert words in done.stderr
        assert done.stdout == ""

    def test_the_browser_is_led_by_a_file_that_only_its_owner_reads(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Command lines are seen by all users of a machine, so the key is in none."""
        from viz import serve

        led: list[str] = []
        monkeypatch.setattr(serve.webbrowser, "open", led.append)
        with serve._browser("http://127.0.0.1:1/?token=k&x=1", tmp_path):
            end = time.monotonic() + 10
            while not led and time.monotonic() < end:
                time.sleep(0.01)
            file = Path(urllib.parse.unquote(urllib.parse.urlsplit(led[0]).path))
            assert "token" not in led[0]
            assert file.stat().st_mode & 0o077 == 0
            assert "token=k&amp;x=1" in file.read_text()
        assert not file.exists()
