"""Writes docs/config.md, the reference of the YAML, and configs/config.schema.json for editors.

Both come from the configuration's types: keys, ranges and defaults from pydantic, descriptions from
the `Attributes:` of the docstrings. `make config-docs` calls this.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import docstring_parser
from pydantic import TypeAdapter

from pipeline.config import Config

PROJECT = Path(__file__).resolve().parents[1]
REFERENCE = PROJECT / "docs" / "config.md"
SCHEMA = PROJECT / "configs" / "config.schema.json"
EXAMPLE = PROJECT / "docs" / "config_example.yaml"

_INTRO = """\
# Configuration reference

All keys of a use case's YAML, one section per block. An unknown key is an error. Relative paths
start at the YAML's folder. The examples are parts of
[config_example.yaml](config_example.yaml), which has every block.

An editor with a YAML language server completes and checks the keys if the first line of the config
names the schema. This line names a copy of
[configs/config.schema.json](../configs/config.schema.json) beside the config:

```yaml
# yaml-language-server: $schema=config.schema.json
```

The schema checks each key by itself. `faultline run` also checks that keys go together.
`make config-docs` writes this page and the schema from the code.
"""
_PREFIX = "#/$defs/"

Schema = dict[str, Any]


def make_schema() -> Schema:
    """Returns the JSON schema of a use case's YAML, with a description of every key."""
    schema = TypeAdapter(Config).json_schema()
    del schema["properties"]["folder"]  # set by the loader
    for block in (schema, *schema["$defs"].values()):
        _describe(block)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def make_reference(schema: Mapping[str, Any], example: str) -> str:
    """Returns the page as Markdown.

    Args:
        schema: What `make_schema` returned.
        example: A YAML with every key of the top level, from which each section shows its part.
    """
    paths = _paths(schema)
    parts = _split_example(example)
    scalars = [key for key in schema["properties"] if key not in _by_key(paths)]
    sections = [_INTRO, "## Top level\n", _table(schema, paths), _code(parts, scalars)]
    for key, names in _by_key(paths).items():
        own = paths[names[0]] == key
        block = schema["$defs"][names[0]] if own else schema["properties"][key]
        sections += [f"## `{key}`\n", block["description"] + "\n"]
        sections += [_table(block, paths)] if own else []
        sections.append(_code(parts, [key]))
        for name in names[1:] if own else names:
            inner = schema["$defs"][name]
            sections += [f"### {_title(paths[name])}\n", inner["description"] + "\n"]
            sections.append(_table(inner, paths))
    return "\n".join(sections)


def _describe(block: Schema) -> None:
    """Moves the descriptions in a block's docstring to its keys, in the docstring's order."""
    docstring = docstring_parser.parse(block["description"], docstring_parser.Style.GOOGLE)
    texts = {item.arg_name: " ".join((item.description or "").split()) for item in docstring.params}
    keys = block["properties"]
    if "kind" in keys:  # a feature without its kind is refused
        texts = {"kind": "Chooses this kind."} | texts
        block["required"] = ["kind", *block.get("required", [])]
        del keys["kind"]["default"]
    block["properties"] = {
        name: {k: v for k, v in keys[name].items() if k != "title"} | {"description": text}
        for name, text in texts.items()
        if name in keys
    }
    paragraphs = [docstring.short_description, docstring.long_description]
    text = "\n\n".join(part for part in paragraphs if part)
    prose = [" ".join(part.split()) for part in text.split("\n\n") if not part.startswith(">>>")]
    block["description"] = "\n\n".join(prose)


def _paths(schema: Mapping[str, Any]) -> dict[str, str]:
    """Returns each block's name with the first path in the YAML at which it may be."""
    paths: dict[str, str] = {}
    for path, name in _blocks(schema["properties"], "", schema["$defs"]):
        paths.setdefault(name, path)
    return paths


def _blocks(keys: Schema, path: str, blocks: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in keys.items():
        for place, name in _references(value, f"{path}{key}"):
            kind = blocks[name]["properties"].get("kind")
            yield place + (f", kind {kind['const']}" if kind else ""), name
            yield from _blocks(blocks[name]["properties"], f"{place}.", blocks)


def _references(value: Schema, path: str) -> Iterator[tuple[str, str]]:
    if "$ref" in value:
        yield path, value["$ref"].removeprefix(_PREFIX)
    for option in (*value.get("anyOf", ()), *value.get("oneOf", ())):
        yield from _references(option, path)
    if "items" in value:
        yield from _references(value["items"], path)
    if isinstance(value.get("additionalProperties"), dict):
        yield from _references(value["additionalProperties"], f"{path}.NAME")


def _by_key(paths: Mapping[str, str]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for name, path in paths.items():
        names.setdefault(re.split(r"[.,]", path)[0], []).append(name)
    return names


def _title(path: str) -> str:
    place, _, kind = path.partition(", kind ")
    return f"`{place}`, kind `{kind}`" if kind else f"`{place}`"


def _link(path: str) -> str:
    anchor = re.sub(r"[^\w -]", "", _title(path).lower()).replace(" ", "-")
    return f"[`{path.partition(', kind ')[2] or path}`](#{anchor})"


def _table(block: Mapping[str, Any], paths: Mapping[str, str]) -> str:
    rows = ["| key | value | default | description |", "|---|---|---|---|"]
    for key, value in block["properties"].items():
        default = "required" if key in block.get("required", ()) else _default(value)
        cells = (f"`{key}`", _type(value, paths), default, value["description"])
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _default(value: Schema) -> str:
    if "default" not in value:  # pydantic leaves out what a factory makes
        return "see block" if "$ref" in value else "`{}`"
    return "none" if value["default"] is None else f"`{_yaml(value['default'])}`"


def _yaml(value: Any) -> str:
    plain = isinstance(value, str) and re.fullmatch(r"[\w-]+", value)
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


def _type(value: Schema, paths: Mapping[str, str]) -> str:
    if "$ref" in value:
        return _link(paths[value["$ref"].removeprefix(_PREFIX)])
    if options := value.get("anyOf") or value.get("oneOf"):
        return _either(_type(one, paths) for one in options if one.get("type") != "null")
    if words := value.get("enum") or ([value["const"]] if "const" in value else None):
        return _either(f"`{_yaml(word)}`" for word in words)
    if value.get("type") in {"array", "object"}:
        return _container(value, paths)
    if value.get("type") == "string":
        return _text(value)
    return str(value["type"]) + _range(value)


def _container(value: Schema, paths: Mapping[str, str]) -> str:
    items = value.get("items") or value.get("additionalProperties")
    name, preposition = ("list", "of") if value["type"] == "array" else ("mapping", "of names to")
    if not isinstance(items, dict):
        return name
    least = value.get("minItems", value.get("minProperties"))
    bound = "" if least is None else f", at least {least}"
    return f"{name} {preposition} {_grouped(_type(items, paths))}{bound}"


def _text(value: Schema) -> str:
    least, most = value.get("minLength", 0), value.get("maxLength")
    if least == most == 1:
        return "one character"
    name = "non-empty text" if least else "text"
    pattern = f" that matches `{value['pattern']}`" if "pattern" in value else ""
    return name + pattern + (f", at most {most} characters" if most else "")


def _range(value: Schema) -> str:
    low = value.get("minimum", value.get("exclusiveMinimum"))
    high = value.get("maximum", value.get("exclusiveMaximum"))
    if low is None:
        return ""
    if high is None:
        return f" {'>=' if 'minimum' in value else '>'} {low}"
    start, end = "[" if "minimum" in value else "(", "]" if "maximum" in value else ")"
    return f" in {start}{low}, {high}{end}"


def _either(texts: Iterator[str]) -> str:
    *first, last = texts
    return f"{', '.join(first)} or {last}" if first else last


def _grouped(text: str) -> str:
    return f"({text})" if " or " in text else text


def _split_example(example: str) -> dict[str, str]:
    """Returns the lines of each key of the top level."""
    parts = re.split(r"^(?=\w)", example, flags=re.MULTILINE)
    return {part.partition(":")[0]: part for part in parts[1:]}


def _code(parts: Mapping[str, str], keys: list[str]) -> str:
    return "```yaml\n" + "".join(parts[key] for key in keys) + "```\n"


def main() -> None:
    """Writes both files."""
    schema = make_schema()
    SCHEMA.write_text(schema_text(schema), encoding="utf-8")
    example = EXAMPLE.read_text(encoding="utf-8")
    REFERENCE.write_text(make_reference(schema, example), encoding="utf-8")


def schema_text(schema: Schema) -> str:
    """Returns a schema as the text of its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
