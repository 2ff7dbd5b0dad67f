"""Hooks of MkDocs: pages and files outside docs/, and the reference of the commands.

The pages in docs/ link to files of the checkout, such as `../benchmarks/README.md`. Benchmarks and
the list of changes become pages of the site. Any other file that a page links to is copied to
`files/`, and the link to a folder becomes plain text.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

import click

PROJECT = Path(__file__).resolve().parents[1]
COMMANDS_MARK = "<!-- commands -->"
_PAGES = ("CHANGELOG.md", "benchmarks/*.md", "benchmarks/*.svg")
_LINK = re.compile(r"(?P<label>!?\[[^\]]*\])\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
_BLOCK = re.compile(r"(^ *```.*?^ *```$)", flags=re.MULTILINE | re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages outside docs/."""
    for pattern in _PAGES:
        for path in sorted(PROJECT.glob(pattern)):
            _add(files, config, path.relative_to(PROJECT).as_posix(), path)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Writes the commands where their mark is, and links as the site has them."""
    if COMMANDS_MARK in markdown:
        markdown = markdown.replace(COMMANDS_MARK, command_pages())
    source = page.file.src_uri
    own = source if page.file.generated_by else f"docs/{source}"

    def rewritten(match: re.Match[str]) -> str:
        return _site_link(match, own, source, lambda uri, path: _add(files, config, uri, path))

    # Links in blocks of code are text.
    parts = _BLOCK.split(markdown)
    return "".join(
        part if index % 2 else _LINK.sub(rewritten, part) for index, part in enumerate(parts)
    )


def _add(files: Any, config: Any, uri: str, path: Path) -> None:
    from mkdocs.structure.files import File

    if files.get_file_from_path(uri) is None:
        files.append(File.generated(config, uri, abs_src_path=str(path)))


def _site_link(match: re.Match[str], own: str, source: str, add: Any) -> str:
    """Returns a link of a page at `own` in the checkout and at `source` in the site."""
    target = match["target"]
    if "://" in target or target.startswith("mailto:"):
        return match[0]
    path = posixpath.normpath(posixpath.join(posixpath.dirname(own), target))
    uri = _site_uri(path)
    if uri is None:
        uri = f"files/{path}"
        if (PROJECT / path).is_dir():
            return match["label"].removeprefix("[").removesuffix("]")
        if (PROJECT / path).is_file():
            add(uri, PROJECT / path)
    relative = posixpath.relpath(uri, posixpath.dirname(source) or ".")
    return f"{match['label']}({relative}{match['anchor'] or ''})"


def _site_uri(path: str) -> str | None:
    """Returns where a file of the checkout is in the site; None for one that is no page."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return path if any(Path(path).match(pattern) for pattern in _PAGES) else None


def command_pages() -> str:
    """Returns the help of every command as Markdown."""
    from commands.command_line import main

    return "\n".join(_describe(main, "faultline"))


def _describe(command: click.Command, name: str) -> list[str]:
    context = click.Context(command, info_name=name, max_content_width=96)
    lines = [f"## {name}", "", "```text", command.get_help(context), "```", ""]
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None and not found.hidden:
                lines += _describe(found, f"{name} {child}")
    return lines
