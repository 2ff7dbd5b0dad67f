"""Loading of a use case's YAML; reports every problem with file, line and key."""

import dataclasses
import difflib
import hashlib
import json
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from common.errors import InputError
from common.guards.redaction import redact_config
from models import features as features_lib
from pipeline.config import Config
from pipeline.slicing import COLUMN_TAG, PART_TAG

YamlPath = tuple[str | int, ...]

_ADAPTER: TypeAdapter[Config] = TypeAdapter(Config)
_KINDS: dict[str, type] = {
    typing.get_args(typing.get_type_hints(kind)["kind"])[0]: kind
    for kind in typing.get_args(typing.get_args(features_lib.Feature)[0])
}
_MAX_SHOWN = 60  # maximum number of characters of a wrong value in a message


@dataclasses.dataclass(frozen=True, order=True)
class _Problem:
    line: int
    text: str


def load_config(path: Path) -> Config:
    """Returns the use case that the YAML file at `path` describes.

    `folder` becomes the file's folder, so that relative paths in it have a base.

    Raises:
        InputError: The file cannot be read or is not YAML, or keys or values are wrong; names
            every problem with file, line and dotted key.
    """
    document = _parse(path, _read_text(path))
    problems = list(_key_problems(document))
    if not problems:
        try:
            # Strict JSON, not Python objects: a YAML list may become a tuple, but neither
            # `"12"` nor `true` may become a number.
            return _ADAPTER.validate_json(
                json.dumps(_plain(document) | {"folder": str(path.parent.resolve())}), strict=True
            )
        except ValidationError as error:
            problems = [_describe(details, document) for details in error.errors()]
    raise InputError("\n".join(f"{path}, line {p.line}: {p.text}" for p in sorted(set(problems))))


def config_to_json(config: Config) -> str:
    """Returns the config as one line of JSON, equal for equal configs.

    `folder` is left out: a cache key must not depend on the location of the checkout.
    """
    return _ADAPTER.dump_json(config, exclude={"folder"}).decode()


def config_from_json(text: str) -> Config:
    """Returns the config that `config_to_json` wrote; `folder` is the working directory.

    Raises:
        InputError: It was written by another version of the project.
    """
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError as error:
        raise InputError(
            f"This version of Faultline cannot read the recorded configuration: {error}. Give "
            "the YAML with --config."
        ) from error


def config_to_record(config: Config) -> str:
    """Returns the config as one line of JSON without secrets, for records."""
    values = json.loads(config_to_json(config))
    return json.dumps(redact_config(values), separators=(",", ":"), ensure_ascii=False)


def config_digest(config: Config) -> str:
    """Returns the SHA-256 of the config as 64 hexadecimal digits.

    `folder` and secrets are not part of it: a short secret could be guessed from its digest.
    """
    return hashlib.sha256(config_to_record(config).encode()).hexdigest()


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file. Expected a use case's YAML, such as configs/signals.yaml; "
            "`faultline init DATA --label COLUMN` writes one for your data."
        ) from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder. Expected a YAML file; name one in it.") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}, line {line}: byte 0x{error.object[error.start]:02x} is not UTF-8. "
            "Save the file as UTF-8."
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None


def _parse(path: Path, text: str) -> CommentedMap:
    try:
        document = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = (error.problem or error.context or "not YAML").split("\n")[0]
        raise InputError(f"{path}, line {line}: not valid YAML: {problem}") from None
    except YAMLError as error:  # such as a control character, which has no position
        raise InputError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from None
    if document is None:
        raise InputError(f"{path} is empty. Expected the keys {_listed(_keys(Config))}.")
    if not isinstance(document, CommentedMap):
        raise InputError(
            f"{path}, line 1: expected `key: value` lines at the top level, found "
            f"{_shown(document)}."
        )
    return document


def _key_problems(document: CommentedMap) -> Iterable[_Problem]:
    """Finds keys that must not reach pydantic: keys that are not text, and `folder`."""
    if "folder" in document:
        yield _Problem(_line(document, ("folder",)), _unknown_key(("folder",), document))
    for path in _paths(document, ()):
        if not isinstance(path[-1], str) and isinstance(_value_at(document, path[:-1]), Mapping):
            yield _Problem(
                _line(document, path),
                f"key {_dotted(path)} is not text but {_shown(path[-1])}; write it in quotes",
            )


def _paths(node: object, path: YamlPath) -> Iterable[YamlPath]:
    if isinstance(node, Mapping):
        items: Iterable[tuple[Any, Any]] = node.items()
    elif isinstance(node, Sequence) and not isinstance(node, str):
        items = enumerate(node)
    else:
        return
    for key, value in items:
        yield (*path, key)
        yield from _paths(value, (*path, key))


def _plain(node: Any) -> Any:
    """Returns `node` without ruamel's own types, dates as text."""
    if isinstance(node, Mapping):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, Sequence) and not isinstance(node, str):
        return [_plain(value) for value in node]
    if node is None or isinstance(node, bool | int | float | str):
        return node
    return str(node)


def _describe(details: ErrorDetails, document: CommentedMap) -> _Problem:
    path = _yaml_path(details["loc"])
    key, line = _dotted(path), _line(document, path)
    special = _SPECIAL.get(details["type"])
    if special is not None:
        return _Problem(line, special(details, path, document))
    if path == ("label", "positive"):  # one error for each type; one is enough
        return _Problem(line, f"{key} must be text, a number or true/false")
    if path[0] in {"evaluation", "gate"} and path[-1] == "value":
        return _Problem(line, f"{key} must be text or a number, got {_shown(details['input'])}")
    rule = re.sub(r"^(Input|\w+) should ", "must ", details["msg"])
    return _Problem(line, f"{key} {rule}, got {_shown(details['input'])}")


def _yaml_path(loc: YamlPath) -> YamlPath:
    """Returns the path in the YAML: pydantic's without the names of a union's members."""
    if loc[:1] == ("features",):
        return loc[:2] + loc[3:]
    if loc[:2] == ("label", "positive"):
        return loc[:2]
    path = tuple(part for part in loc if part not in {COLUMN_TAG, PART_TAG})
    return path[:-1] if path[-2:-1] == ("value",) and len(path) < len(loc) else path


def _comparison(sign: str, bound: str) -> Callable[[ErrorDetails, YamlPath, CommentedMap], str]:
    return lambda details, path, _: (
        f"{_dotted(path)} must be {sign} {details['ctx'][bound]:g}, got {_shown(details['input'])}"
    )


def _own_message(details: ErrorDetails, path: YamlPath, _: CommentedMap) -> str:
    message = str(details["ctx"]["error"])
    return f"{_dotted(path)}: {message}" if path else message


def _wrong_kind(details: ErrorDetails, path: YamlPath, _: CommentedMap) -> str:
    if details["type"] == "union_tag_not_found":
        return f"{_dotted(path)} needs `kind`, one of {_listed(_KINDS)}"
    kind = str(details["ctx"]["tag"])
    return f"{_dotted((*path, 'kind'))} must be one of {_listed(_KINDS)}, got `{kind}`" + _hint(
        kind, _KINDS, otherwise=""
    )


def _wrong_word(details: ErrorDetails, path: YamlPath, _: CommentedMap) -> str:
    words, found = details["ctx"]["expected"], details["input"]
    return f"{_dotted(path)} must be {words}, got {_shown(found)}" + _hint(
        str(found), re.findall(r"'([^']*)'", words), otherwise=""
    )


def _not_a_mapping(details: ErrorDetails, path: YamlPath, _: CommentedMap) -> str:
    return f"{_dotted(path)} must be `key: value` lines, got {_shown(details['input'])}"


def _unknown_key(path: YamlPath, document: CommentedMap) -> str:
    keys = _keys(_type_at(path[:-1], document))
    return f"unknown key `{_dotted(path)}`" + _hint(
        str(path[-1]), keys, otherwise=f"; valid keys are {_listed(keys)}"
    )


_SPECIAL: dict[str, Callable[[ErrorDetails, YamlPath, CommentedMap], str]] = {
    "greater_than": _comparison(">", "gt"),
    "greater_than_equal": _comparison(">=", "ge"),
    "less_than": _comparison("<", "lt"),
    "less_than_equal": _comparison("<=", "le"),
    "missing": lambda _, path, __: f"{_dotted(path)} is missing; it has no default",
    "unexpected_keyword_argument": lambda _, path, document: _unknown_key(path, document),
    "value_error": _own_message,
    "literal_error": _wrong_word,
    "union_tag_invalid": _wrong_kind,
    "union_tag_not_found": _wrong_kind,
    "dataclass_type": _not_a_mapping,
    "model_attributes_type": _not_a_mapping,
    "dict_type": _not_a_mapping,
}


def _type_at(path: YamlPath, document: CommentedMap) -> type:
    """Returns the dataclass whose keys are valid at `path`."""
    if not path:
        return Config
    if path[0] == "features":
        return _KINDS[_value_at(document, path)["kind"]]
    section: Any = Config
    for part in path:
        members = typing.get_args(section)
        of_many = {dict: members[1:2], tuple: members[:1]}.get(typing.get_origin(section), ())
        hint = next(iter(of_many), None)
        section = _present(hint or typing.get_type_hints(section)[str(part)])
    return typing.cast(type, section)


def _present(hint: Any) -> Any:
    """The type of an optional value."""
    if typing.get_origin(hint) not in {types.UnionType, typing.Union}:
        return hint
    options = [option for option in typing.get_args(hint) if option is not types.NoneType]
    return next((option for option in options if dataclasses.is_dataclass(option)), options[0])


def _keys(section: type) -> list[str]:
    assert dataclasses.is_dataclass(section)  # noqa: S101 - narrows the type
    return [field.name for field in dataclasses.fields(section) if field.name != "folder"]


def _value_at(document: Any, path: YamlPath) -> Any:
    for part in path:
        document = document[part]
    return document


def _line(document: CommentedMap, path: YamlPath) -> int:
    """Returns the line, from 1, of the deepest part of `path` that the document has."""
    line = 0
    node: Any = document
    for part in path:
        if not isinstance(node, CommentedMap | CommentedSeq):
            break
        place = (node.lc.data or {}).get(part)  # a key that `<<` merged in has none
        line = place[0] if place else line
        if isinstance(node, CommentedMap) and part not in node:
            break
        node = node[part]
    return line + 1


def _dotted(path: YamlPath) -> str:
    return ".".join(str(part) for part in path)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _hint(name: str, known: Iterable[str], *, otherwise: str) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean `{near[0]}`?" if near else otherwise


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "`key: value` lines"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"


def line_of(path: Path, keys: Sequence[str]) -> int:
    """Returns the line, from 1, of a key in a use case's YAML.

    Args:
        path: The YAML, which `load_config` accepts.
        keys: The key and those above it, from the top level on.
    """
    return _line(_parse(path, _read_text(path)), tuple(keys))
