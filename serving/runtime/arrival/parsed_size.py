"""The memory that a protobuf message takes once it is parsed, from its bytes.

Two bytes of a message can be an empty sub-message, which takes up to 180 bytes once parsed. The
fields are therefore counted first, without building anything. Contents of texts and tensors are
passed over, whatever they hold, so a large ordinary message has few fields.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from google.protobuf.descriptor import Descriptor, FieldDescriptor

# Bytes by measurement of upb, protobuf's C library, rounded up. Repeated fields grow by doubling,
# and the memory of the smaller arrays is not used again: three times the elements.
_MESSAGE = 24
_GROWTH = 3
_POINTER, _TEXT_VIEW = 8, 16
_ARRAY = 96  # the first element of a repeated field
_MAP, _MAP_ENTRY = 384, 288
_UNKNOWN = 80  # a run of unknown fields, besides twice their bytes
# Of each repeated text besides its parsed form: a Python object in an array, a text of TensorFlow.
_TEXT_OBJECTS = 80
_TEXT_COPIES = 3
# The bound of a message is at most so many times its bytes. Measured: 93 times.
MAX_EXPANSION = 512
MEASURED_EXPANSION = 128
# Fields that are read one by one; runs of one field do not count.
MAX_FIELDS = 1_000_000

_VARINT, _FIXED64, _BYTES, _GROUP, _END_GROUP, _FIXED32 = range(6)
_SCALAR_BYTES = {
    FieldDescriptor.CPPTYPE_BOOL: 1,
    FieldDescriptor.CPPTYPE_INT32: 4,
    FieldDescriptor.CPPTYPE_UINT32: 4,
    FieldDescriptor.CPPTYPE_ENUM: 4,
    FieldDescriptor.CPPTYPE_FLOAT: 4,
}
_FIXED_WIDTHS = {
    **dict.fromkeys((FieldDescriptor.TYPE_FIXED32, FieldDescriptor.TYPE_SFIXED32), _FIXED32),
    **dict.fromkeys((FieldDescriptor.TYPE_FIXED64, FieldDescriptor.TYPE_SFIXED64), _FIXED64),
    FieldDescriptor.TYPE_FLOAT: _FIXED32,
    FieldDescriptor.TYPE_DOUBLE: _FIXED64,
}
_RUNS = (4096, 256, 16)
_CHUNK = 2**20
_VARINT_TOKEN = rb"[\x80-\xff]{0,9}[\x00-\x7f]"


class TooManyFieldsError(ValueError):
    """A message has more than `MAX_FIELDS` fields that are read one by one."""


@dataclass(frozen=True, kw_only=True)
class _Field:
    """What one occurrence of a field takes.

    Attributes:
        each: Bytes of an occurrence.
        first: Bytes in addition after another field.
        by_byte: Times that its content takes its size.
        packed: Bytes of a value, if the content is a list of values.
        is_varint: Whether those values are varints.
        message: The type of a sub-message.
        token: Pattern of one short occurrence, for runs of them.
    """

    each: int = 0
    first: int = 0
    by_byte: int = 0
    packed: int = 0
    is_varint: bool = False
    message: Descriptor | None = None
    token: bytes = b""


_Plan = Mapping[int, _Field]


@functools.cache
def _plan(message: Descriptor) -> _Plan:
    """Returns what the fields of a message take, by their keys on the wire."""
    plan: dict[int, _Field] = {}
    for field in message.fields:
        if field.type in {FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_GROUP}:
            plan[field.number << 3 | _BYTES] = _message_field(field)
        elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            plan[field.number << 3 | _BYTES] = _text_field(field)
        else:
            plan.update(_scalar_fields(field))
    return plan


def _message_field(field: FieldDescriptor) -> _Field:
    each, first = _struct_bytes(field.message_type), 0
    if field.message_type.GetOptions().map_entry:
        value = field.message_type.fields_by_name["value"].message_type
        each += _MAP_ENTRY + (_struct_bytes(value) if value else 0)
        first = _MAP
    elif field.is_repeated:
        each += _GROWTH * _POINTER
        first = _ARRAY
    token = _key(field.number, _BYTES) + rb"\x00"
    return _Field(each=each, first=first, message=field.message_type, token=token)


def _struct_bytes(message: Descriptor) -> int:
    """Returns the bytes of an empty message."""
    texts = sum(
        field.cpp_type == FieldDescriptor.CPPTYPE_STRING and not field.is_repeated
        for field in message.fields
    )
    return int(_MESSAGE + _POINTER * (len(message.fields) + texts))


def _text_field(field: FieldDescriptor) -> _Field:
    lengths = b"|".join(rb"\x%02x.{%d}" % (size, size) for size in range(128))
    token = _key(field.number, _BYTES) + rb"(?:%s)" % lengths
    if not field.is_repeated:
        return _Field(each=_POINTER, by_byte=1, token=token)
    each = _GROWTH * _TEXT_VIEW + _TEXT_OBJECTS
    return _Field(each=each, first=_ARRAY, by_byte=_TEXT_COPIES, token=token)


def _scalar_fields(field: FieldDescriptor) -> dict[int, _Field]:
    """A value by itself, and a packed list of values."""
    wire = _FIXED_WIDTHS.get(field.type, _VARINT)
    value = {_VARINT: _VARINT_TOKEN, _FIXED32: rb".{4}", _FIXED64: rb".{8}"}[wire]
    token = _key(field.number, wire) + value
    if not field.is_repeated:
        return {field.number << 3 | wire: _Field(token=token)}
    size = _SCALAR_BYTES.get(field.cpp_type, 8)
    alone = _Field(each=(_GROWTH + 1) * size, first=_ARRAY, token=token)
    # Fixed values are stored as they are sent.
    packed = size * (_GROWTH + 1) if wire == _VARINT else size
    empty = _key(field.number, _BYTES) + rb"\x00"
    is_varint = wire == _VARINT
    together = _Field(first=_ARRAY, packed=packed, is_varint=is_varint, token=empty)
    return {field.number << 3 | wire: alone, field.number << 3 | _BYTES: together}


def _key(number: int, wire: int) -> bytes:
    """Returns a pattern of a field's key."""
    value, key = number << 3 | wire, b""
    while value > 0x7F:
        key += rb"\x%02x" % (value & 0x7F | 0x80)
        value >>= 7
    return key + rb"\x%02x" % value


@functools.cache
def _run_pattern(token: bytes, count: int) -> re.Pattern[bytes]:
    return re.compile(rb"(?:%s){%d}+" % (token, count), re.DOTALL)


def parsed_bytes(message: Descriptor, content: bytes, *, limit: int) -> int:
    """Returns an upper bound of the memory that a message takes once it is parsed.

    Texts count with the objects that hold them afterwards. What follows the first invalid field
    does not count, because the parser stops there too.

    Args:
        message: The type of the message.
        content: The message.
        limit: Where to stop; a larger result means that the message takes at least so much.

    Raises:
        TooManyFieldsError: There are too many fields to count in a second.
    """
    walk = _Walk(content, limit)
    walk.read(message)
    return walk.num_bytes


class _Walk:
    """Reads the fields of a message in the order of its bytes."""

    def __init__(self, content: bytes, limit: int) -> None:
        self._content = content
        self._limit = limit
        self._num_fields = 0
        self.num_bytes = 0

    def read(self, message: Descriptor) -> None:
        """Adds up what the fields take, up to the end, an invalid field or the limit."""
        content, at, end = self._content, 0, len(self._content)
        plan, last = _plan(message), -1
        outer: list[tuple[int, _Plan, int]] = []
        self.num_bytes += _struct_bytes(message)
        while 0 <= at <= end and self.num_bytes <= self._limit:
            if at == end:
                if not outer:
                    return
                end, plan, last = outer.pop()
                continue
            start = at
            key, at = self._next_key(at, end)
            field = plan.get(key)
            if field is None:
                at = self._skip(key, at, end)
                self._add_unknown(at - start, is_first=last != -2)
                last = -2
                continue
            self.num_bytes += field.each + (field.first if key != last else 0)
            if field.message is not None:
                size, at = _varint(content, at, end)
                if at < 0 or at + size > end:
                    return
                outer.append((end, plan, key))
                end, plan, last = at + size, _plan(field.message), -1
                if size:
                    continue
                end, plan, _ = outer.pop()
            else:
                at = self._read_value(field, key, at, end)
            if key == last or field.message is not None:
                at = self._read_run(field, at, end)
                at = self._read_texts(field, key, at, end) if field.by_byte else at
            last = key

    def _next_key(self, at: int, end: int) -> tuple[int, int]:
        self._num_fields += 1
        if self._num_fields > MAX_FIELDS:
            raise TooManyFieldsError(
                f"The message has more than {MAX_FIELDS} fields besides runs of equal ones; send "
                "several smaller ones"
            )
        return _varint(self._content, at, end)

    def _read_value(self, field: _Field, key: int, at: int, end: int) -> int:
        """Adds what a value's content takes; returns where it ends, -1 if it is invalid."""
        stop = self._skip(key, at, end)
        if key & 7 == _BYTES and stop >= 0:
            size, start = _varint(self._content, at, end)
            self.num_bytes += field.by_byte * size
            if field.is_varint:
                self.num_bytes += field.packed * self._num_varints(start, stop)
            elif field.packed:
                self.num_bytes += size
        return stop

    def _num_varints(self, start: int, stop: int) -> int:
        total = 0
        for at in range(start, stop, _CHUNK):
            chunk = np.frombuffer(self._content, np.uint8, min(_CHUNK, stop - at), at)
            total += int(np.count_nonzero(chunk < 0x80))
        return total

    def _read_run(self, field: _Field, at: int, end: int) -> int:
        """Adds a run of at least 16 short occurrences of a field; returns where it ends."""
        if at < 0 or not _run_pattern(field.token, _RUNS[-1]).match(self._content, at, end):
            return at
        for count in _RUNS:
            pattern = _run_pattern(field.token, count)
            while (run := pattern.match(self._content, at, end)) and self.num_bytes <= self._limit:
                self.num_bytes += count * field.each + field.by_byte * (run.end() - at)
                at = run.end()
        return at

    def _read_texts(self, field: _Field, key: int, at: int, end: int) -> int:
        """Adds texts of any length below 16 KiB that follow each other; returns where they end."""
        content, num_texts, start = self._content, 0, at
        most = 1 + (self._limit - self.num_bytes) // field.each
        while 0 <= at < end - 2 and content[at] == key and num_texts < most:
            size, after = content[at + 1], at + 2
            if size >= 0x80:
                size, after = size - 0x80 + (content[after] << 7), after + 1
            if size >= 2**14 or after + size > end:
                break
            at = after + size
            num_texts += 1
        self.num_bytes += num_texts * field.each + field.by_byte * (at - start)
        return at

    def _add_unknown(self, size: int, *, is_first: bool) -> None:
        self.num_bytes += 2 * max(0, size) + (_UNKNOWN if is_first else 0)

    def _skip(self, key: int, at: int, end: int) -> int:
        """Returns where a field ends, or -1 if it is invalid."""
        wire = key & 7
        if at < 0:
            return -1
        if wire == _VARINT:
            at = _varint(self._content, at, end)[1]
        elif wire == _BYTES:
            size, at = _varint(self._content, at, end)
            at = at + size if at >= 0 else -1
        elif wire in {_FIXED64, _FIXED32}:
            at += 8 if wire == _FIXED64 else 4
        else:
            return self._skip_group(at, end) if wire == _GROUP else -1
        return at if at <= end else -1

    def _skip_group(self, at: int, end: int) -> int:
        depth = 1
        while depth and 0 <= at < end:
            key, at = self._next_key(at, end)
            if key & 7 == _GROUP:
                depth += 1
            elif key & 7 == _END_GROUP:
                depth -= 1
            else:
                at = self._skip(key, at, end)
        return -1 if depth else at


def _varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    """Returns a varint and where it ends, -1 if it does not end."""
    if 0 <= at < end and (byte := content[at]) < 0x80:
        return byte, at + 1
    value = 0
    for shift in range(0, 70, 7):
        if not 0 <= at < end:
            break
        value |= (content[at] & 0x7F) << shift
        at += 1
        if content[at - 1] < 0x80:
            return value & 2**64 - 1, at
    return 0, -1
