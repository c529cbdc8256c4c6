# SPDX-License-Identifier: Apache-2.0
"""Read every text of ../shared/data, tokenise it once, and keep it as flat arrays in one .npz file.

    python corpus.py --shared ../../../shared --work WORK      # writes WORK/corpus.npz

Evaluation files are read with their own source names, are never trained on, and any training or
unlabelled text that equals one of them is dropped.
"""
import argparse
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from labels import TASKS

PAD, UNK, CLS, SEP, MASK = 0, 100, 101, 102, 103
MAX_LENGTH = 512


@dataclass
class Source:
    name: str
    path: str
    task: str | None  # the task its first column labels; None: no labels
    column: int  # the column that holds the text
    split: str  # "train", "eval" or "free"
    genre: str  # "post", "headline" or "review"


SOURCES = [
    Source("usual_eval", "emotion/smp2020_usual_eval.tsv", "emotion", 1, "eval", "post"),
    Source("virus_eval", "emotion/smp2020_virus_eval.tsv", "emotion", 1, "eval", "post"),
    Source("topic_dev", "topic/toutiao_dev.tsv", "topic", 1, "eval", "headline"),
    Source("usual", "emotion/smp2020_usual_train.tsv", "emotion", 1, "train", "post"),
    Source("virus", "emotion/smp2020_virus_train.tsv", "emotion", 1, "train", "post"),
    Source("toutiao", "topic/toutiao_train.tsv", "topic", 1, "train", "headline"),
    Source("weibo8_part", "emotion/weibo_8emo_part.tsv", "emotion8", 1, "train", "post"),
    Source("weibo8_simplify", "emotion/weibo_8emo_simplify.tsv", "emotion8", 1, "train", "post"),
    Source("shopping", "emotion/online_shopping_sent.tsv", "sentiment", 1, "train", "review"),
    Source("waimai", "emotion/waimai_10k.tsv", "sentiment", 1, "train", "review"),
    Source("hotel", "emotion/chnsenticorp_htl.tsv", "sentiment", 1, "train", "review"),
    Source("reposts", "stream/ced_reposts.tsv.zst", None, 4, "free", "post"),
    Source("originals", "stream/ced_originals.tsv.zst", None, 3, "free", "post"),
    Source("hot_search", "stream/hot_search.tsv.zst", None, 3, "free", "headline"),
]
SOURCE_INDEX = {source.name: index for index, source in enumerate(SOURCES)}


def bert_tokenizer(vocab_file: Path) -> Tokenizer:
    """The same ids as transformers' BertTokenizer(do_lower_case=True), without its Python overhead."""
    words = vocab_file.read_text(encoding="utf-8").split("\n")
    if words[-1] == "":
        words.pop()
    vocab = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", SEP), ("[CLS]", CLS))
    # As in transformers, the five names standing literally in a text are the special tokens themselves.
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.enable_truncation(MAX_LENGTH)
    return tokenizer


def read_rows(path: Path, columns: int):
    """Yields the columns of each data row. Invalid UTF-8 becomes U+FFFD; only \\n ends a row."""
    if path.suffix == ".zst":
        import pyarrow
        with pyarrow.input_stream(str(path), compression="zstd") as stream:
            data = stream.read()
    else:
        data = path.read_bytes()
    text = io.StringIO(data.decode("utf-8", errors="replace"), newline="\n")
    next(text)
    for line in text:
        cells = line.rstrip("\n").split("\t", columns)
        if len(cells) > columns:
            yield cells


def collect(shared: Path, limit: int | None):
    """Texts without repeats inside a task, in the order of SOURCES."""
    held_out: set[str] = set()
    seen: dict[str | None, set[str]] = {}
    texts, sources, labels = [], [], []
    for index, source in enumerate(SOURCES):
        path = shared / "data" / source.path
        names = TASKS[source.task] if source.task else None
        taken = seen.setdefault(source.task, set())
        count = 0
        for cells in read_rows(path, source.column):
            text = cells[source.column].strip()
            if not text or (source.split != "eval" and (text in held_out or text in taken)):
                continue
            if source.split == "eval":
                held_out.add(text)
            else:
                taken.add(text)
            texts.append(text)
            sources.append(index)
            labels.append(names.index(cells[0]) if names else -1)
            count += 1
            if limit and count >= limit:
                break
        print(f"{source.name}: {count} texts", flush=True)
    return texts, np.array(sources, np.int8), np.array(labels, np.int8)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=Path("../../../shared"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--limit", type=int, help="texts per source, for a trial run")
    options = parser.parse_args()
    target = options.work / "corpus.npz"
    if target.exists():
        print(f"{target} is there already")
        return
    options.work.mkdir(parents=True, exist_ok=True)
    texts, sources, labels = collect(options.shared, options.limit)
    tokenizer = bert_tokenizer(options.shared / "models/bge-small-zh-v1.5/vocab.txt")
    lengths, pieces = [], []
    for start in range(0, len(texts), 50_000):
        for encoding in tokenizer.encode_batch_fast(texts[start:start + 50_000]):
            pieces.append(np.array(encoding.ids, np.uint16))
            lengths.append(len(encoding.ids))
    flat = np.concatenate(pieces)
    np.savez(target, flat=flat, lengths=np.array(lengths, np.int32), sources=sources, labels=labels)
    print(f"{len(texts)} texts, {flat.size} tokens")


if __name__ == "__main__":
    main()
