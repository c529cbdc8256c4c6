# SPDX-License-Identifier: Apache-2.0
"""Compares the ids of Tidewatch's tokenizer with those of Hugging Face's BertTokenizer.

    tests/tokenize_parity/run                what the tests run: a sample of the data and the rest
    tests/tokenize_parity/run --full         every text in ../shared/data, once before a release
    tests/tokenize_parity/run fuzz --count 1000000 --seed 7
    tests/tokenize_parity/run golden --write after adding to nasty.py

Exit status: 0 all equal, 1 a difference or something missing, 77 nothing to compare with (skipped).
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import time
import zlib

import nasty
from reference import PINNED, ROOT, Ours, Reference

SKIPPED = 77
GOLDEN = pathlib.Path(__file__).resolve().parent / "golden.tsv"
SEEDS = ROOT / "fuzz/corpus/tokenizer"
CHUNK = 20_000  # texts compared at a time
SAMPLE = 30  # without --full one text in so many, chosen by its line's checksum
SHOWN_MAX = 10  # differences printed in full


class Comparison:
    """Counts what was compared and shows the first differences."""

    def __init__(self, ours, reference):
        self._ours, self._reference = ours, reference
        self.texts = self.tokens = self.different = 0

    def add(self, other):
        self.texts += other.texts
        self.tokens += other.tokens
        self.different += other.different

    def compare(self, name, texts, tokens_max=512):
        """`texts` may be any iterable of bytes."""
        chunk = []
        for text in texts:
            chunk.append(text)
            if len(chunk) == CHUNK:
                self._compare_chunk(name, chunk, tokens_max)
                chunk = []
        self._compare_chunk(name, chunk, tokens_max)

    def _compare_chunk(self, name, texts, tokens_max):
        expected = self._reference.encode(texts, tokens_max)
        actual = self._ours.encode(texts, tokens_max)
        if len(actual) != len(texts) or len(expected) != len(texts):
            sys.exit(f"{name}: {len(texts)} texts, {len(expected)} and {len(actual)} answers")
        self.texts += len(texts)
        for text, want, got in zip(texts, expected, actual):
            self.tokens += len(want)
            if want == got:
                continue
            self.different += 1
            if self.different <= SHOWN_MAX:
                print(
                    f"DIFFERENT in {name}, at most {tokens_max} tokens:\n"
                    f"  text     {text[:2000]!r}\n  expected {want[:600]}\n  ours     {got[:600]}",
                    file=sys.stderr,
                )


def lines_of(path):
    """The lines of a .tsv or .tsv.zst without its heading, as bytes."""
    if path.suffix == ".zst":
        with subprocess.Popen(["zstd", "-dcq", str(path)], stdout=subprocess.PIPE) as process:
            next(process.stdout)
            yield from process.stdout
        if process.returncode != 0:
            sys.exit(f"{path}: zstd failed")
        return
    with open(path, "rb") as file:
        next(file)
        yield from file


def data_texts(path, full):
    for line in lines_of(path):
        if full or zlib.crc32(line) % SAMPLE == 0:
            yield line.rstrip(b"\n").rsplit(b"\t", maxsplit=1)[-1]


def check_data(comparison, shared, full):
    data = shared / "data"
    paths = sorted([*data.glob("emotion/*.tsv"), *data.glob("topic/*.tsv"),
                    *data.glob("stream/*.tsv.zst")])  # fmt: skip
    if not paths:
        print(f"skipped: there are no texts under {data}")
        return False
    for path in paths:
        before, start = comparison.texts, time.monotonic()
        comparison.compare(path.name, data_texts(path, full))
        print(
            f"{path.name}: {comparison.texts - before} texts, {comparison.different} different so "
            f"far, {time.monotonic() - start:.1f} s",
            flush=True,
        )
    return True


def check_code_points(comparison):
    """Every code point within a word, many to a text; then every one alone."""
    code_points = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]

    def words():
        for begin in range(0, len(code_points), 64):
            yield " ".join(f"b{chr(c)}1" for c in code_points[begin : begin + 64]).encode()

    def pairs():  # neighbours, so that marks, jamo and the like meet their kind
        for begin in range(0, len(code_points), 128):
            yield "".join(map(chr, code_points[begin : begin + 128])).encode()

    comparison.compare("code points within words", words())
    comparison.compare("code points side by side", pairs())


def escape(data):
    """Printable text as it is, any other byte as \\xNN."""
    result = ""
    for char in data.decode("utf-8", errors="surrogateescape"):
        if char != "\\" and char.isprintable():
            result += char
        else:
            raw = char.encode("utf-8", errors="surrogateescape")
            result += "".join(f"\\x{byte:02x}" for byte in raw)
    return result


def check_golden(reference, write):
    """Whether golden.tsv, which a C++ test reads without Python, is what the reference gives.

    Writing it also writes the strings as seeds for the fuzz target.
    """
    rows = [
        "# GENERATED by tests/tokenize_parity/run golden --write from nasty.py with "
        + " and ".join(f"{name} {version}" for name, version in PINNED.items()),
        "# name\ttext (\\xNN is a byte)\ttimes repeated\ttokens_max\tids",
    ]
    for name, data, repeat, tokens_max in nasty.CORPUS:
        ids = reference.encode([data * repeat], tokens_max)[0]
        columns = (name, escape(data), str(repeat), str(tokens_max), " ".join(map(str, ids)))
        rows.append("\t".join(columns))
    text = "\n".join(rows) + "\n"
    if write:
        GOLDEN.write_text(text, encoding="utf-8")
        SEEDS.mkdir(parents=True, exist_ok=True)
        for name, data, repeat, _ in nasty.CORPUS:
            if repeat == 1:
                (SEEDS / name).write_bytes(b"\0" + data)  # the first byte chooses tokens_max 512
        print(f"{GOLDEN}: {len(nasty.CORPUS)} strings")
    elif GOLDEN.read_text(encoding="utf-8") != text:
        print(f"{GOLDEN} is stale: run golden --write", file=sys.stderr)
        return False
    return True


def check_fuzz(comparison, reference, seed, count):
    maker = nasty.Maker(seed, reference.vocabulary)
    sizes = (512, 512, 128, 32, 9, 3)
    done = 0
    while done < count:
        batch = min(count - done, 5_000)
        texts = [maker.text() for _ in range(batch)]
        comparison.compare(f"fuzz, seed {seed}", texts, sizes[done // 5_000 % len(sizes)])
        done += batch


def check_marks(options):
    """Random strings with a vocabulary of our own in which the order of marks shows.

    No mark that takes part in canonical reordering and is kept stands in the Chinese vocabulary,
    so a word with one is [UNK] there whatever its order. Here each of them is a token.
    """
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    for char in "ab" + nasty.kept_marks():
        tokens += [char, "##" + char]
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("\n".join(tokens) + "\n")
        file.flush()
        comparison = Comparison(Ours(options.dump, file.name), Reference(file.name))
        maker = nasty.Maker(options.seed, tokens)
        comparison.compare("marks", [maker.marks() for _ in range(options.count)])
    return comparison


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("what", nargs="*", metavar="data|code-points|golden|fuzz|marks",
                        help="what to compare (default: all)")  # fmt: skip
    parser.add_argument("--full", action="store_true", help="every text of the data, not a sample")
    parser.add_argument("--count", type=int, default=10_000, help="fuzz, marks: how many strings")
    parser.add_argument("--seed", type=int, default=1, help="fuzz, marks: the seed")
    parser.add_argument("--write", action="store_true", help="golden: write the file")
    parser.add_argument("--dump", type=pathlib.Path, help="the built tokenize_dump",
                        default=ROOT / "build/release/src/tokenize/tokenize_dump")  # fmt: skip
    parser.add_argument("--vocabulary", type=pathlib.Path, default=ROOT / "models/base/vocab.txt")
    parser.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared")
    options = parser.parse_args()
    known = ("data", "code-points", "golden", "fuzz", "marks")
    for what in options.what:
        if what not in known:
            parser.error(f"{what}: not one of {', '.join(known)}")

    start = time.monotonic()
    reference = Reference(options.vocabulary)
    ours = Ours(options.dump, options.vocabulary)
    comparison = Comparison(ours, reference)
    golden_is_fresh, has_data = True, True
    for what in options.what or known:
        if what == "data":
            has_data = check_data(comparison, options.shared, options.full)
        elif what == "code-points":
            check_code_points(comparison)
        elif what == "golden":
            golden_is_fresh = check_golden(reference, options.write)
        elif what == "fuzz":
            check_fuzz(comparison, reference, options.seed, options.count)
        elif what == "marks":
            comparison.add(check_marks(options))
    print(
        f"{comparison.texts} texts, {comparison.tokens} ids compared with "
        + " and ".join(f"{name} {version}" for name, version in PINNED.items())
        + f": {comparison.different} texts different; {time.monotonic() - start:.1f} s"
    )
    if comparison.different or not golden_is_fresh:
        sys.exit(1)
    if options.what == ["data"] and not has_data:
        sys.exit(SKIPPED)


if __name__ == "__main__":
    main()
