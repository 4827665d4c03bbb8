"""One strict parse: what can be read in two ways, or costs too much to read, is refused with the place."""

import json

import msgspec
import pytest

from gateway.errors import BadBody
from gateway.providers import body as strict
from gateway.providers.body import DEPTH_MAX, read_object


def field(value: bytes) -> dict[str, msgspec.Raw]:
    return read_object(b'{"x":' + value + b"}")


def test_values_are_kept_as_they_were_written() -> None:
    fields = read_object(b'{"a":1.0,"b":[1, 2],"c":"\\u00e9"}')
    assert {name: bytes(raw) for name, raw in fields.items()} == {"a": b"1.0", "b": b"[1, 2]", "c": b'"\\u00e9"'}


@pytest.mark.parametrize(
    "body", [b"{}", b" { } ", b'{"a":1}\n', b'{"a": 1, "b": {"a": 1, "a": 2}}', '{"a":"ü"}'.encode()]
)
def test_ordinary_bodies_are_read(body: bytes) -> None:
    assert set(read_object(body)) == set(json.loads(body))


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"cheap","model":"dear"}',
        b'{"model":"cheap", "model":"dear"}',
        b'{"model" : "cheap" ,\n "n" : 1 , "model":"dear"}',
        b'{"model":"same","model":"same"}',
        b'{"a":1,"":2,"":3}',
    ],
)
def test_t36_duplicate_keys_are_refused_by_name(body: bytes) -> None:
    with pytest.raises(BadBody, match="given twice"):
        read_object(body)


@pytest.mark.parametrize(
    "body", [b'{"mod\\u0065l":"x"}', b'{"model\\u0000":1}', '{"mödel":1}'.encode(), '{"ｍodel": 1}'.encode()]
)
def test_t37_field_names_in_disguise_are_refused(body: bytes) -> None:
    with pytest.raises(BadBody, match="plain ASCII"):
        read_object(body)


def test_t37_a_duplicate_behind_an_escape_is_refused() -> None:
    with pytest.raises(BadBody, match="'model' is given twice"):
        read_object(b'{"model":"cheap","mod\\u0065l":"dear"}')


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
        ('{"a":1}'.encode("utf-16"), "UTF-8 at byte 0"),
        ('{"a":1}'.encode("utf-32-le"), "not valid JSON"),
        (b'{"a":"\xff"}', "UTF-8 at byte 6"),
        (b'{"a":"\xed\xa0\x80"}', "UTF-8"),
        (b'{"a":"\\ud800"}', "not valid JSON"),
        (b"", "not valid JSON"),
        (b"[1]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"a":1}{"b":2}', "trailing"),
        (b'{"a":1,}', "not valid JSON"),
        (b"{'a':1}", "byte 1"),
        (b'{"a":NaN}', "byte 5"),
        (b'{"a":Infinity}', "byte 5"),
        (b'{"a":01}', "byte 6"),
        (b'{"a":"\x00"}', "byte 6"),
        (b'{"a":1', "not valid JSON"),
        (b'{"a":1}/**/', "trailing"),
    ],
)
def test_t37_what_is_not_plain_json_in_utf8_is_refused_with_the_place(body: bytes, says: str) -> None:
    with pytest.raises(BadBody, match=says):
        read_object(body)


def nested(levels: int, shape: str) -> bytes:
    opened, closed = {"[": (b"[", b"]"), "{": (b'{"a":', b"}")}[shape]
    return opened * levels + b"1" + closed * levels


@pytest.mark.parametrize("shape", ["[", "{"])
def test_t38_the_deepest_that_fits_is_read_and_the_next_is_refused(shape: str) -> None:
    field(nested(DEPTH_MAX - 1, shape))
    with pytest.raises(BadBody, match="deeper than 64"):
        field(nested(DEPTH_MAX, shape))
    wide = b"[" + b",".join([nested(2, shape)] * 100) + b"]"
    field(wide)
    with pytest.raises(BadBody, match="deeper than 64"):
        field(b"[" + b",".join([nested(2, shape)] * 100 + [nested(DEPTH_MAX - 1, shape)]) + b"]")


def test_t38_brackets_in_text_are_no_nesting() -> None:
    text = json.dumps('[[{{"' * 500 + "\\")
    field(text.encode())
    field(b'["' + b"[" * 300 + b'",{"b":"\\\\"},["\\"["]]')
    field(json.dumps([{"role": "user", "content": '{"[' * 40 + '"\\'}] * 50).encode())


@pytest.mark.parametrize(
    "value",
    [
        b"[" * 5000 + b"]" * 5000,
        b"[" * 2_000_000,
        b'{"a":' * 100_000,
        b"[" + b"[]," * 200_000 + b"[]]",
        b"[" + b"1," * 200_000 + b"1]",
        b"{" + b",".join(b'"k%d":0' % n for n in range(150_000)) + b"}",
        b'["' + b'",",",",",' * 60_000 + b'"]',
    ],
    ids=["deep list", "open list", "open object", "wide list", "numbers", "keys", "strings"],
)
def test_t38_bombs_are_refused(value: bytes) -> None:
    with pytest.raises(BadBody):
        field(value)


def test_t38_a_long_text_with_many_commas_is_no_bomb() -> None:
    field(b'["' + b"a, b, [c], " * 60_000 + b'"]')


def test_more_values_fit_where_the_caller_says_so() -> None:
    read_object(b'{"input":[' + b"1," * 200_000 + b"1]}", nodes_max=2_000_000)


BAD_COUNTS = [
    b"0", b"-1", b"-0", b"1.0", b"1.5", b"1e3", b"1E3", b"1e400", b"-1e400", b"0.1e1", b'"100"', b'""', b"true",
    b"false", b"[]", b"[1]", b"{}", b'{"a":1}', b"2147483648", b"4294967296",
    b"9223372036854775807", b"9223372036854775808",
    b"18446744073709551616", b"1" * 4301, b"100000000000000000000", b"1e-3", b"1e0", b'"1e3"', b'"-1"', b'"NaN"',
    b'"null"', b'" 1"', b"[null]", b'{"value":1}', b"99999999999",
]  # fmt: skip


@pytest.mark.parametrize("value", BAD_COUNTS)
def test_t32_a_limit_is_a_whole_number_in_range_or_refused(value: bytes) -> None:
    with pytest.raises(BadBody, match="x must be a whole number"):
        strict.whole(field(value), "x")


@pytest.mark.parametrize(("value", "read"), [(b"1", 1), (b"2147483647", 2**31 - 1), (b"null", None), (b" 7 ", 7)])
def test_t32_whole_numbers_in_range_and_null_are_read(value: bytes, read: int | None) -> None:
    assert strict.whole(field(value), "x") == read


def test_a_limit_that_is_absent_is_none() -> None:
    assert strict.whole({}, "x") is None


def test_t36_duplicates_inside_an_object_policy_reads_are_refused_and_it_is_written_anew() -> None:
    with pytest.raises(BadBody, match="x: field 'a' is given twice"):
        strict.nested(field(b'{"a":1,"a":2}'), "x")
    fields = field(b'{ "a" : 1 }')
    assert strict.nested(fields, "x").keys() == {"a"}
    assert bytes(fields["x"]) == b'{"a":1}'


def test_names_inside_such_an_object_may_be_in_any_language() -> None:
    assert strict.nested(field('{"équipe":"ü", "n":"1"}'.encode()), "x").keys() == {"équipe", "n"}


@pytest.mark.parametrize("value", [b"[]", b'"a"', b"1"])
def test_an_object_that_is_none_is_refused(value: bytes) -> None:
    with pytest.raises(BadBody, match="must be an object"):
        strict.nested(field(value), "x")


@pytest.mark.parametrize("value", [b"1", b'"true"', b"[]"])
def test_a_flag_is_true_or_false(value: bytes) -> None:
    with pytest.raises(BadBody, match="true or false"):
        strict.flag(field(value), "x")


@pytest.mark.parametrize(
    "value", [b'""', b'" a"', b'"a\\n"', b'"a\\u0000"', b'"' + b"a" * 257 + b'"', b"1", b"null", b"[]"]
)
def test_a_model_name_is_short_printable_text(value: bytes) -> None:
    with pytest.raises(BadBody):
        strict.model_name(read_object(b'{"model":' + value + b"}"))
