"""The documentation site, built by MkDocs and opened in Chromium."""

import os
import re
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tests.browser import needs_chromium

pytestmark = pytest.mark.ecosystem
pytest.importorskip("mkdocs", reason="MkDocs is not installed: make ecosystem-tools")
pytest.importorskip("mkdocstrings", reason="mkdocstrings is not installed: make ecosystem-tools")

_LONGEST_S = 100


def build(config: Path, site: Path) -> "subprocess.CompletedProcess[str]":
    """Builds a site as `make site` does, into another folder."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "mkdocs", "build", "--strict"),
            *("--config-file", str(config), "--site-dir", str(site)),
        ],
        cwd=config.parent,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "site"
    done = build(project / "mkdocs.yml", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_of_docs_is_in_the_site(site, project):
    pages = [path.relative_to(project / "docs") for path in (project / "docs").rglob("*.md")]
    assert [page for page in pages if not (site / page.with_suffix(".html")).is_file()] == []


def test_pages_load_nothing_from_another_host(site):
    loaded = re.compile(r"<(?:script|img|iframe)[^>]*\ssrc=\"?(https?:[^\s\">]+)")
    linked = re.compile(r"<link[^>]*\shref=\"?(https?:[^\s\">]+)")
    texts = [path.read_text(encoding="utf-8") for path in site.rglob("*.html")]
    assert texts
    assert [url for text in texts for url in (*loaded.findall(text), *linked.findall(text))] == []


def test_docstrings_and_commands_are_on_the_pages(site):
    client = (site / "reference" / "client.html").read_text(encoding="utf-8")
    assert "A synchronous, thread-safe client." in client
    assert "&gt;&gt;&gt; " in client
    assert "<blockquote>" not in client
    commands = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    assert 'id="faultline-rollout-start"' in commands


@pytest.mark.parametrize(
    ("link", "warning"),
    [
        ("[a](no_such_page.md)", "'no_such_page.md', but the target is not found"),
        ("[a](#no-such-heading)", "'#no-such-heading', but there is no such anchor"),
        ("[a](../no/such/file.yaml)", "but the target is not found"),
    ],
)
def test_a_broken_link_is_an_error(project, tmp_path, link, warning):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# Home\n\n{link}\n")
    config = tmp_path / "mkdocs.yml"
    hook = project / "scripts" / "site_pages.py"
    config.write_text(
        f"INHERIT: {project / 'mkdocs.yml'}\ndocs_dir: docs\nnav: [index.md]\n"
        f"hooks: [{hook}]\nplugins: []\nnot_in_nav: |\n  /benchmarks/\n  /CHANGELOG.md\n"
    )
    done = build(config, tmp_path / "site")
    assert done.returncode == 1
    assert warning in done.stderr


# Asks for /found as soon as the search has a result; the page is not complete before /held is.
_WATCH = """
<script>
  const watch = setInterval(() => {
    const links = [...document.querySelectorAll(".md-search-result__link")]
    if (links.length) {
      clearInterval(watch)
      fetch("/found?" + links.map(link => link.getAttribute("href").split("?")[0]).join())
    }
  }, 100)
</script>
<img src="/held.png">
"""


class SearchServer(ThreadingHTTPServer):
    """The site on the loopback; it learns what the search in a browser finds.

    Args:
        site: Folder of the site.
    """

    daemon_threads = True

    def __init__(self, site: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(site)))
        self.results = ""
        self.is_done = Event()


class _Handler(SimpleHTTPRequestHandler):
    server: SearchServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        name, _, query = self.path.partition("?")
        if name == "/found":
            self.server.results = query
            self.server.is_done.set()
        if name in ("/found", "/held.png"):
            self.server.is_done.wait(_LONGEST_S)
            self.send_error(404)
        elif query:
            page = Path(self.translate_path(name)).read_text(encoding="utf-8")
            self._send(page.replace("</body>", f"{_WATCH}</body>").encode())
        else:
            super().do_GET()

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@needs_chromium
def test_the_search_finds_a_page_in_a_browser_without_a_network(site, tmp_path):
    server = SearchServer(site)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        done = subprocess.run(
            [
                *("chromium", "--headless", "--no-sandbox", "--disable-gpu"),
                *("--enable-logging=stderr", "--v=0", f"--user-data-dir={tmp_path / 'profile'}"),
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                *("--window-size=1400,1000", f"--screenshot={tmp_path / 'page.png'}"),
                f"http://127.0.0.1:{server.server_port}/index.html?q=prevalence",
            ],
            capture_output=True,
            text=True,
            timeout=2 * _LONGEST_S,
            check=False,
        )
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert "rare_events.html" in server.results, done.stderr
    errors = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert [line for line in errors if "/found" not in line and "/held" not in line] == []
