#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/tokenize/unicode_tables.inc: what the reference does to each code point.

The tables are read off the pinned `tokenizers` package by asking it, not off a Unicode version: it
mixes three (normalisation and categories of its crates, white space and lower-casing of the Rust
it was built with). The result is committed, because a build must not need that package.

    .venv/bin/python tests/tokenize_parity/generate_unicode_tables.py [--check]

--check compares with the committed file instead of writing it, and fails when they differ.
"""

import argparse
import functools
import pathlib
import sys

import tokenizers
from tokenizers import normalizers, pre_tokenizers

OUTPUT = pathlib.Path(__file__).resolve().parents[2] / "src/tokenize/unicode_tables.inc"

BERT = normalizers.BertNormalizer(
    clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True
)
NFD = normalizers.NFD()
PRE = pre_tokenizers.BertPreTokenizer()
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
HANGUL = range(0xAC00, 0xD7A4)


def hangul_parts(code_point):
    """The arithmetic decomposition that tokenizer tables compute instead of listing."""
    index = code_point - 0xAC00
    parts = [0x1100 + index // 588, 0x1161 + index % 588 // 28]
    if index % 28:
        parts.append(0x11A7 + index % 28)
    return "".join(map(chr, parts))


def reorders(char):
    """Whether canonical ordering moves this character: its combining class is not 0.

    U+0334 has the lowest class (1), U+0345 the highest (240): one of the two trades places with
    any character of a class other than 0.
    """
    return NFD.normalize_str("a" + char + "\u0334") != "a" + char + "\u0334" or (
        NFD.normalize_str("a\u0345" + char) != "a\u0345" + char
    )


def classify():
    """Returns kind by code point, and the replacement of those that are replaced."""
    kinds, replacements = {}, {}
    for c in CODE_POINTS:
        char = chr(c)
        normalized = BERT.normalize_str(char)
        if normalized == "":
            kinds[c] = "remove"
            continue
        if normalized == " ":
            kinds[c] = "space"
            continue
        pieces = [piece for piece, _ in PRE.pre_tokenize_str("a" + normalized + "a")]
        if len(pieces) == 1:
            kinds[c] = "letter"
            output = normalized
        else:
            assert len(pieces) == 3 and len(pieces[1]) == 1, (hex(c), pieces)
            kinds[c] = "single"
            output = pieces[1]
        if output != char:
            replacements[c] = output
    return kinds, replacements


def find_combining(kinds, replacements):
    """Ranks the characters that are kept and reordered, by ascending combining class."""
    combining = [
        c
        for c in CODE_POINTS
        if kinds[c] != "remove" and NFD.normalize_str(chr(c)) == chr(c) and reorders(chr(c))
    ]
    for c in combining:
        assert kinds[c] == "letter" and c not in replacements, hex(c)

    def compare(a, b):
        if NFD.normalize_str("a" + chr(a) + chr(b)) != "a" + chr(a) + chr(b):
            return 1
        if NFD.normalize_str("a" + chr(b) + chr(a)) != "a" + chr(b) + chr(a):
            return -1
        return 0

    ranks, rank, previous = {}, 0, None
    for c in sorted(combining, key=functools.cmp_to_key(compare)):
        if previous is not None and compare(previous, c) != 0:
            rank += 1
        ranks[c] = rank
        previous = c
    for a in combining:  # sorting trusted compare to be an order: check every pair
        for b in combining:
            assert compare(a, b) == (ranks[a] > ranks[b]) - (ranks[a] < ranks[b])
    return ranks


def find_barriers(kinds, ranks):
    """Removed characters across which the kept combining ones are not reordered."""
    low = min(ranks, key=ranks.get)
    high = max(ranks, key=ranks.get)
    assert ranks[low] < ranks[high]
    barriers = []
    for c in CODE_POINTS:
        if kinds[c] == "remove":
            kept = BERT.normalize_str("a" + chr(high) + chr(c) + chr(low))
            assert sorted(kept) == sorted("a" + chr(high) + chr(low)), hex(c)
            if kept == "a" + chr(high) + chr(low):
                barriers.append(c)
    return barriers


def check(kinds, replacements, ranks):
    """What the tables take for granted; see src/tokenize/unicode_tables.h."""
    for c in HANGUL:
        assert replacements[c] == hangul_parts(c)
    for c, output in replacements.items():
        assert 1 <= len(output) <= 3, hex(c)
        base, rest = output[0], output[1:]
        assert ord(base) not in ranks, hex(c)  # starts a new run: nothing moves before it
        for o in output:
            assert kinds[ord(o)] == kinds[c] and ord(o) not in replacements, hex(c)
        order = [ranks.get(ord(o), -1) for o in rest]
        assert all(r == -1 for r in order) or (min(order) >= 0 and order == sorted(order)), hex(c)
    for c in CODE_POINTS:
        if c < 0x80:
            assert kinds[c] in ("letter", "single", "space", "remove")
            if c in replacements:
                assert len(replacements[c]) == 1 and ord(replacements[c]) < 0x80
        if kinds[c] in ("single", "space"):  # these stop a run of combining characters
            low = min(ranks, key=ranks.get)
            high = max(ranks, key=ranks.get)
            text = BERT.normalize_str("a" + chr(high) + chr(c) + chr(low))
            assert text.index(chr(high)) < text.index(chr(low)), hex(c)


def ranges(code_points):
    """Joins neighbours; a gap of surrogates does not part them."""
    result = []
    for c in sorted(code_points):
        if result and c == (0xE000 if result[-1][1] == 0xD7FF else result[-1][1] + 1):
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


def render(kinds, replacements, ranks, barriers):
    barrier_set = set(barriers)
    lines = [
        "// SPDX-License-Identifier: Apache-2.0",
        "// GENERATED by tests/tokenize_parity/generate_unicode_tables.py from tokenizers "
        f"{tokenizers.__version__}. Do not edit.",
        "// clang-format off",
    ]

    def array(declaration, rows):
        lines.append(f"inline constexpr {declaration}[] = {{")
        line = ""
        for row in rows:
            if len(line) + len(row) > 98:
                lines.append(line)
                line = ""
            line += row + ","
        lines.append(line)
        lines.append("};")

    rows = []
    for kind, name in (("remove", "kRemove"), ("space", "kSpace"), ("single", "kSingle")):
        members = [c for c in CODE_POINTS if kinds[c] == kind and c not in barrier_set]
        rows += [(a, b, name) for a, b in ranges(members)]
    rows += [(a, b, "kBarrier") for a, b in ranges(barriers)]
    rows.sort()
    array("CodePointRange kCodePointRanges", [f"{{{a:#x},{b:#x},{n}}}" for a, b, n in rows])
    array(
        "CombiningCharacter kCombiningCharacters",
        [f"{{{c:#x},{ranks[c]}}}" for c in sorted(ranks)],
    )
    array(
        "Replacement kReplacements",
        [
            "{%#x,{%s}}" % (c, ",".join(f"{ord(o):#x}" for o in replacements[c]))
            for c in sorted(replacements)
            if c not in HANGUL
        ],
    )
    lines.append("// clang-format on")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--check", action="store_true", help="compare, do not write")
    arguments = parser.parse_args()
    kinds, replacements = classify()
    ranks = find_combining(kinds, replacements)
    barriers = find_barriers(kinds, ranks)
    check(kinds, replacements, ranks)
    text = render(kinds, replacements, ranks, barriers)
    if arguments.check:
        if OUTPUT.read_text(encoding="utf-8") != text:
            sys.exit(f"{OUTPUT} is not what tokenizers {tokenizers.__version__} gives")
        print(f"{OUTPUT.name} agrees with tokenizers {tokenizers.__version__}")
        return
    OUTPUT.write_text(text, encoding="utf-8")
    print(
        f"{OUTPUT}: {len(text)} bytes, {len(ranks)} combining, {len(barriers)} barriers, "
        f"{len(replacements)} replaced"
    )


if __name__ == "__main__":
    main()
