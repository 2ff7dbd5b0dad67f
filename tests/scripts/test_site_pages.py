from types import SimpleNamespace

import pytest

from scripts import site_pages
from scripts.site_pages import command_pages, on_page_markdown


class Files:
    """MkDocs' list of files, as far as the hooks use it."""

    def __init__(self) -> None:
        self.added = []

    def get_file_from_path(self, uri):
        return uri if uri in self.added else None


@pytest.fixture
def files(monkeypatch):
    files = Files()
    monkeypatch.setattr(site_pages, "_add", lambda *given: files.added.append(given[2]))
    return files


def rewrite(files, markdown, *, source="gate.md", is_outside_docs=False):
    generator = "<hook>" if is_outside_docs else None
    page = SimpleNamespace(file=SimpleNamespace(src_uri=source, generated_by=generator))
    return on_page_markdown(markdown, page, None, files)


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("[a](config.md#data)", "[a](config.md#data)"),
        ("[a](#costs)", "[a](#costs)"),
        ("[a](https://example.org/x.md)", "[a](https://example.org/x.md)"),
        ("[a](../benchmarks/statistics.md#gate)", "[a](benchmarks/statistics.md#gate)"),
        ("[a](../CHANGELOG.md)", "[a](CHANGELOG.md)"),
        ("[`x`](../configs/taxi.yaml)", "[`x`](files/configs/taxi.yaml)"),
        ("see [`measuring/events`](../measuring/events).", "see `measuring/events`."),
        ("[a](../no/such.file)", "[a](files/no/such.file)"),
    ],
)
def test_links_of_a_page_lead_to_where_the_site_has_the_file(files, link, expected):
    assert rewrite(files, link) == expected


def test_links_of_a_page_outside_docs_start_at_its_own_folder(files):
    text = "[a](../docs/scale.md#memory) ![b](growth.svg) [c](../LICENSE)"
    shown = rewrite(files, text, source="benchmarks/README.md", is_outside_docs=True)
    assert shown == "[a](../scale.md#memory) ![b](growth.svg) [c](../files/LICENSE)"


def test_a_file_that_is_linked_is_copied_and_one_that_is_missing_is_not(files):
    rewrite(files, "[a](../configs/taxi.yaml) [b](../no/such.file)")
    assert files.added == ["files/configs/taxi.yaml"]


def test_links_in_a_block_of_code_are_text(files):
    block = "```md\n[a](../CHANGELOG.md)\n```"
    assert rewrite(files, f"{block}\n[a](../CHANGELOG.md)") == f"{block}\n[a](CHANGELOG.md)"


def test_every_command_has_its_help_on_the_page():
    text = command_pages()
    assert "## faultline run\n\n```text\nUsage: faultline run [OPTIONS]" in text
    assert "## faultline rollout start\n" in text
