# SPDX-License-Identifier: Apache-2.0
"""Malformed bodies for POST /v1/posts, made from a seed.

case(seed, number) gives the same Case whenever it is called, so that one failing case can be sent again alone.
Each case says what an honest server must answer:
  REJECT   every line is bad: 4xx, nothing accepted, and if line errors are given there are as many as lines
  MIXED    `good` lines among `bad` ones: accepted + duplicates = good, rejected = bad, the line numbers named
  REFUSE   the body as a whole is bad (its coding or type): 4xx, or an answer with errors
  EMPTY    nothing in it: 200 and all counts 0
  LENIENT  odd, may be taken or not: 200 or 4xx, and every line is accounted for when `lines` is known
"""
import dataclasses
import gzip
import json
import random
import zlib

REJECT, MIXED, REFUSE, EMPTY, LENIENT = "reject", "mixed", "refuse", "empty", "lenient"

TEXTS = ["今天食堂的饭又涨价了[怒]", "哈哈哈哈真的绝绝子", "转发微博", "", "#开学# 有没有人一起去图书馆", "a", "😭😭",
         "电动车半路没电，推了三公里", "求推荐{火锅}\"店\"", "emo了\\n睡不着"]


@dataclasses.dataclass
class Case:
    number: int
    kind: str
    expect: str
    body: bytes
    headers: dict = dataclasses.field(default_factory=dict)
    lines: int | None = None  # not blank
    good: int = 0
    bad: int = 0
    bad_lines: list = dataclasses.field(default_factory=list)


def good_post(rng, **members):
    post = {"text": rng.choice(TEXTS), "source": "malformed"}
    if rng.random() < 0.5:
        post["time"] = rng.choice([1767571200, 1767571200123, "2026-01-05T08:00:00+08:00"])
    if rng.random() < 0.5:
        post["region"] = rng.choice(["广东 深圳", "北京", "海外"])
    post.update(members)
    return post


def encode(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


# ---- lines that no server may accept ----

def truncated_json(rng):
    line = encode(good_post(rng, id=f"t-{rng.random()}"))
    while True:  # a cut within a character would be another kind
        cut = line[: rng.randrange(1, len(line))]
        try:
            cut.decode()
            return cut
        except UnicodeDecodeError:
            continue


def truncated_utf8_end(rng):
    line = encode(good_post(rng, text="观潮" * rng.randrange(1, 50)))
    start = line.index("观".encode())
    return line[: start + 6 * rng.randrange(0, 2) + rng.choice([1, 2])]


def deep_nesting(rng):
    depth = rng.choice([64, 100, 1_000, 1_024, 1_025, 5_000, 100_000, 400_000])
    open_, close = rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
    if open_ != b"[":
        depth = min(depth, 100_000)
    inner = open_ * depth + (b"1" if open_ != b"[" else b"")
    nested = inner + (close * depth if rng.random() < 0.6 else b"")
    return rng.choice([b'{"text":"x","a":' + nested + b"}", nested, b'{"text":' + nested + b"}"])


def huge_number(rng):
    number = rng.choice(["1e400", "-1e400", "9" * 400, "-" + "9" * 30, "1e99999999999", "18446744073709551616",
                         "-1", "99999999999999999999", "0." + "9" * 5000 + "e308", "1" + "0" * 20000])
    field = rng.choice(["time", "likes", "reposts"])
    if number.startswith("0.") and field == "time":
        field = "likes"
    if field == "time" and rng.random() < 0.3:
        number = rng.choice(["4200000000000", "99999999999", "4200000000"])  # between seconds and ms, past 2100
    return f'{{"text":"x","{field}":{number}}}'.encode()


def wrong_type(rng):
    values = {"text": ["5", "null", "true", "[]", "{}", '["x"]', '{"a":"b"}', "1.5"],
              "time": ["true", "[]", "{}", '"yesterday"', '""', '"2026-13-45T99:99:99Z"', '"2026-01-05"'],
              "author": ["[]", "{}", "true", "1.5"], "source": ["5", "[]", "{}", "false"],
              "region": ["5", "[]", "{}", "true"], "url": ["5", "[]", "{}"], "repost_of": ["[]", "{}", "true"],
              "likes": ['"5"', "[]", "{}", "true", "1.5"], "reposts": ['"x"', "{}"], "id": ["[]", "{}", "true", '""']}
    field = rng.choice(list(values))
    value = rng.choice(values[field])
    text = "" if field == "text" else '"text":"x",'
    return f'{{{text}"{field}":{value}}}'.encode()


def missing_text(rng):
    post = good_post(rng)
    del post["text"]
    if rng.random() < 0.5:
        post[rng.choice(["Text", "TEXT", "texts", "text ", "content", "", "te\u0000xt"])] = "x"
    return encode(post)


def not_an_object(rng):
    return rng.choice([encode([good_post(rng)]), encode([[1]]), b"[]", b'"text"', b"42", b"null", b"true", b"-0.0",
                       b"{}", b"[1,2", b"]", b"}", b",", b":", b'"', b"\\", encode([good_post(rng), good_post(rng)])])


def broken_syntax(rng):
    return rng.choice([
        b'{"text":"x",}', b'{text:"x"}', b"{'text':'x'}", b'{"text":"x"} {"text":"y"}', b'{"text":"x"}}',
        b'{"text":"x" "likes":1}', b'{"text" "x"}', b'{"text":"x","likes":01}', b'{"text":"x","likes":+1}',
        b'{"text":"x","likes":0x10}', b'{"text":"x","likes":NaN}', b'{"text":"x","likes":Infinity}',
        b'{"text":"x","likes":1.}', b'{"text":"x","likes":.5}', b'{"text":"x","likes":1e}', b'{"text":"\\x41"}',
        b'{"text":"\\u12"}', b'{"text":"\\uZZZZ"}', b'{"text":"tab\there"}', b'{"text":"bell\x07"}', b'{"text":"x"',
        b'{"text":"x"} // comment', b'/* c */ {"text":"x"}', b'{"text":"x","a":tru}', b'{"text":"x","a":nulll}',
        b'{"text":"x"},', b'{,"text":"x"}', b'{"text":}', b'{"text":"x","text"}', b'{"text":"x"]', b'["text":"x"}',
        b'text=x&likes=1', b'<post>x</post>', b'{"text":"x","a":"unfinished}', b'data: {"text":"x"}'])


def nul_outside(rng):
    line = encode(good_post(rng))
    return rng.choice([b"\0" + line, line + b"\0", line[:1] + b"\0" * 5 + line[1:], b"\0" * rng.randrange(1, 200)])


def long_line(rng):
    size = rng.choice([1 << 20, (1 << 20) + 1, 2_000_000])
    return rng.choice([b'{"text":"' + b"x" * size + b'"}', b'{"text":"x","a":"' + b"y" * size + b'"}',
                       b'{"text":"x"' + b" " * size + b"}", b"x" * (size + 1), b'{"text":"x"}' + b"\t" * size])


def long_field(rng):
    size = rng.choice([17_000, 70_000, 300_000])
    return rng.choice([b'{"text":"x","' + b"n" * size + b'":1}', b'{"' + b"n" * size + b'":1}',
                       b'{"text":"x","author":"' + b"a" * size + b'"}', b'{"text":"x","id":"' + b"i" * size + b'"}',
                       b'{"text":"x",' + b",".join(b'"f%d":1' % n for n in range(size // 8)) + b"}",
                       b'{"text":"' + "观".encode() * 30_000 + b'"}'])


def duplicated_key(rng):
    return rng.choice([b'{"text":"a","text":5}', b'{"text":5,"text":"a"}', b'{"text":"a","time":1,"time":"x"}',
                       b'{"text":"a","likes":1,"likes":[]}', b'{"te\\u0078t":7,"text":"a"}'])


def binary(rng):
    size = rng.randrange(1, 2000)
    data = bytes(rng.choice([rng.randrange(256), rng.randrange(128, 256), 0]) for _ in range(size))
    data = data.replace(b"\n", b"\x0b")  # one line
    head = rng.choice([b"", b"\x89PNG\r\x1a", b"PK\x03\x04", b"\x7fELF", b"%PDF-1.7", b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08"])
    return (head or b"\xff") + data


BAD_LINES = [truncated_json, truncated_utf8_end, deep_nesting, huge_number, wrong_type, missing_text, not_an_object,
             broken_syntax, nul_outside, long_field, duplicated_key, binary]

# How often each kind comes: the heavy ones are rare, so that 10,000 bodies stay within some hundred MB.
WEIGHTS = {"long_line": 0.04, "deep_nesting": 0.5, "long_field": 0.4}


# ---- whole bodies ----

def single(line_maker):
    def make(rng, number):
        line = line_maker(rng)
        end = rng.choice([b"", b"\n", b"\r\n"])
        return Case(number, line_maker.__name__, REJECT, line + end, lines=1, bad=1, bad_lines=[1])
    make.__name__ = line_maker.__name__
    return make


def mixed(rng, number):
    lines, bad_lines, good = [], [], 0
    for at in range(1, rng.randrange(3, 40)):
        dice = rng.random()
        if dice < 0.1:
            lines.append(rng.choice([b"", b" ", b"\t ", b"\r"]))
        elif dice < 0.5:
            maker = rng.choice([m for m in BAD_LINES if m not in (deep_nesting, long_field)])
            lines.append(maker(rng))
            bad_lines.append(at)
        else:
            lines.append(encode(good_post(rng)))
            good += 1
    body = rng.choice([b"\n", b"\r\n"]).join(lines) + rng.choice([b"", b"\n"])
    return Case(number, "mixed", MIXED, body, lines=good + len(bad_lines), good=good, bad=len(bad_lines),
                bad_lines=bad_lines)


def no_lines(rng, number):
    body = rng.choice([b"", b"\n", b"\r\n", b"\r\n" * 500, b"\n" * 10_000, b" \n\t\n", b" "])
    return Case(number, "no_lines", EMPTY, body, lines=0)


def byte_order_mark(rng, number):
    mark = rng.choice([b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf"])
    return Case(number, "byte_order_mark", LENIENT, mark + encode(good_post(rng)) + b"\n", lines=1)


def other_charset(rng, number):
    text = encode(good_post(rng, text="观潮听涛")).decode()
    coding = rng.choice(["utf-16", "utf-16-le", "utf-32", "gb18030"])
    return Case(number, "other_charset", LENIENT, text.encode(coding))


def invalid_utf8(rng, number):
    bad = rng.choice([b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe8\xa7", b"\xf0\x9f\x98",
                      b"\x80" * 50, b"\xfe\xff"])
    return Case(number, "invalid_utf8", LENIENT, b'{"text":"a' + bad + b'b","author":"' + bad + b'"}', lines=1)


def nul_inside(rng, number):
    line = rng.choice([b'{"text":"a\0b"}', b'{"text":"\\u0000"}', b'{"text":"x","a\0":"\0"}', b'{"text":"x","id":"\\u0000"}'])
    return Case(number, "nul_inside", LENIENT, line, lines=1)


def lone_surrogate(rng, number):
    escape = rng.choice(["\\ud800", "\\udfff", "\\ud83d", "\\ud83d\\ud83d", "\\ude00\\ud83d", "\\ud83dx", "\\uD800\\n"])
    line = rng.choice(['{"text":"%s"}', '{"text":"x","author":"%s"}', '{"text":"x","%s":1}']) % escape
    return Case(number, "lone_surrogate", LENIENT, line.encode(), lines=1)


def mutated(rng, number):
    body = bytearray(encode(good_post(rng)))
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(body))
        what = rng.random()
        if what < 0.5:
            body[at] = rng.randrange(256)
        elif what < 0.75 and len(body) > 2:
            del body[at]
        else:
            body.insert(at, rng.choice(b'{}[]",:\\\0\x1f\xff0-e'))
    return Case(number, "mutated", LENIENT, bytes(body))


def wrong_coding(rng, number):
    plain = encode(good_post(rng)) + b"\n" + truncated_json(rng) + b"\n"
    packed = gzip.compress(plain, mtime=0)
    flipped = bytearray(packed)
    flipped[rng.randrange(10, len(flipped) - 8)] ^= 0xFF
    tail = bytearray(packed)
    tail[-6] ^= 0xFF  # the checksum
    choices = [("gzip", plain), ("zstd", plain), ("zstd", packed), ("gzip", packed[: len(packed) // 2]),
               ("gzip", packed[:5]), ("gzip", bytes(flipped)), ("gzip", bytes(tail)), ("br", plain), ("deflate", zlib.compress(plain)),
               ("gzip, gzip", packed), ("x-nothing", plain), ("gzip", b"\x1f\x8b" + rng.randbytes(100)),
               ("zstd", b"\x28\xb5\x2f\xfd" + rng.randbytes(100)), ("gzip", packed + b"trailing"), ("zstd", b"\x28\xb5\x2f\xfd")]
    coding, body = rng.choice(choices)
    return Case(number, "wrong_coding", REFUSE, body, {"Content-Encoding": coding})


def packed_bomb(rng, number):
    # A line of many MB in some KB: must be refused as too long without being held.
    size = rng.choice([4, 24]) << 20
    body = gzip.compress(b'{"text":"' + b"a" * size + b'"}', compresslevel=1, mtime=0)
    return Case(number, "packed_bomb", REFUSE, body, {"Content-Encoding": "gzip"})


def packed_garbage(rng, number):
    case_ = single(rng.choice([m for m in BAD_LINES if m is not deep_nesting]))(rng, number)
    case_.kind = "packed_garbage"
    case_.body = gzip.compress(case_.body, compresslevel=1, mtime=0)
    case_.headers = {"Content-Encoding": "gzip"}
    return case_


def wrong_type_header(rng, number):
    kind = rng.choice(["text/html", "multipart/form-data; boundary=x", "image/png", "\xff", "a" * 500])
    return Case(number, "wrong_type_header", LENIENT, truncated_json(rng), {"Content-Type": kind})


WHOLE = [mixed, mixed, mixed, no_lines, byte_order_mark, other_charset, invalid_utf8, nul_inside, lone_surrogate, mutated,
         mutated, wrong_coding, wrong_coding, packed_garbage, wrong_type_header]
RARE = {packed_bomb: 0.02}
MAKERS = [single(m) for m in BAD_LINES + [long_line]] + WHOLE + list(RARE)
MAKER_WEIGHTS = [RARE.get(m, WEIGHTS.get(m.__name__, 1.0)) for m in MAKERS]


def case(seed, number):
    rng = random.Random(f"{seed}:{number}")
    # The first cases are one of each kind, so that a short run meets them all.
    maker = MAKERS[number] if number < len(MAKERS) else rng.choices(MAKERS, MAKER_WEIGHTS)[0]
    made = maker(rng, number)
    made.headers.setdefault("Content-Type", "application/x-ndjson")
    return made
