"""The comment of a CI job, posted by curl to a server that stands in for GitLab and GitHub."""

import json
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl"),
]
_TEXT = 'a "quoted" table\n| 1 |\n'


@pytest.fixture
def server():
    """A server that keeps what it is sent; its path `/refuse` is refused."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests.append((self.path, dict(self.headers), json.loads(body)))
            self.send_response(401 if self.path.startswith("/refuse") else 201)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}", requests
        httpd.shutdown()
        thread.join()


@pytest.fixture
def post(project, tmp_path):
    """Calls the script with only these environment variables."""
    comment = tmp_path / "comment.md"
    comment.write_text(_TEXT, encoding="utf-8")

    def call(**environment):
        return subprocess.run(
            ["sh", str(project / "scripts" / "post_comment.sh"), str(comment)],
            env={"PATH": "/usr/bin:/bin", **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call


def _gitlab(url):
    return {
        "FAULTLINE_COMMENT_TOKEN": "PLANTED",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_API_V4_URL": url,
        "CI_PROJECT_ID": "42",
    }


def test_gitlab_gets_a_note_on_the_merge_request(server, post):
    url, requests = server
    done = post(**_gitlab(f"{url}/api/v4"))
    assert done.returncode == 0, done.stderr
    [(path, headers, body)] = requests
    assert path == "/api/v4/projects/42/merge_requests/7/notes"
    assert headers["PRIVATE-TOKEN"] == "PLANTED"
    assert body == {"body": _TEXT}
    assert "PLANTED" not in done.stdout + done.stderr


def test_github_gets_a_comment_on_the_pull_request(server, post):
    url, requests = server
    job = {"PULL_REQUEST": "7", "GITHUB_API_URL": url, "GITHUB_REPOSITORY": "team/fork"}
    done = post(**job | {"GITHUB_TOKEN": "PLANTED"})
    assert done.returncode == 0, done.stderr
    [(path, headers, body)] = requests
    assert path == "/repos/team/fork/issues/7/comments"
    assert headers["Authorization"] == "Bearer PLANTED"
    assert body == {"body": _TEXT}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"FAULTLINE_COMMENT_TOKEN": "", "CI_MERGE_REQUEST_IID": "7"},
        {"GITHUB_TOKEN": "PLANTED", "PULL_REQUEST": ""},
    ],
)
def test_without_a_token_or_a_merge_request_the_text_stays_a_file(environment, server, post):
    done = post(**environment)
    assert done.returncode == 0
    assert "only in" in done.stdout
    assert server[1] == []


def test_a_comment_that_is_refused_fails(server, post):
    url, _ = server
    done = post(**_gitlab(f"{url}/refuse"))
    assert done.returncode != 0
    assert "401" in done.stderr
