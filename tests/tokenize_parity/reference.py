# SPDX-License-Identifier: Apache-2.0
"""The reference tokenizer, and our own through tokenize_dump, behind the same call."""

import array
import logging
import os
import pathlib
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PINNED = {"transformers": "5.23.0", "tokenizers": "0.23.3"}

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
logging.getLogger("transformers").setLevel(logging.ERROR)
try:
    import tokenizers
    import transformers
    from transformers.models.bert.tokenization_bert import load_vocab
except ImportError as error:
    sys.exit(f"{error}; install the test packages with: scripts/dependencies test")

for _module in (transformers, tokenizers):
    if _module.__version__ != PINNED[_module.__name__]:
        sys.exit(
            f"{_module.__name__} is {_module.__version__}, not {PINNED[_module.__name__]}; "
            "install what tests/requirements.txt says with: scripts/dependencies test"
        )


class Reference:
    """Hugging Face BertTokenizer(do_lower_case=True)."""

    def __init__(self, vocabulary):
        self.vocabulary = load_vocab(str(vocabulary))
        self._tokenizer = transformers.BertTokenizer(vocab=self.vocabulary, do_lower_case=True)

    def encode(self, texts, tokens_max):
        """Takes bytes, gives one list of ids each."""
        if not texts:
            return []
        decoded = [text.decode("utf-8", errors="replace") for text in texts]
        return self._tokenizer(decoded, truncation=True, max_length=tokens_max)["input_ids"]


class Ours:
    """Tidewatch's tokenizer."""

    def __init__(self, dump, vocabulary):
        self._dump = str(dump)
        self._vocabulary = str(vocabulary)
        if not os.access(self._dump, os.X_OK):
            sys.exit(f"{self._dump} is not there; build the target tokenize_dump")

    def encode(self, texts, tokens_max):
        """Takes bytes, gives one list of ids each."""
        frames = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        done = subprocess.run(
            [self._dump, self._vocabulary, str(tokens_max)],
            input=frames,
            stdout=subprocess.PIPE,
            check=True,
        )
        numbers = array.array("i")
        numbers.frombytes(done.stdout)
        result, at = [], 0
        while at < len(numbers):
            count = numbers[at]
            result.append(numbers[at + 1 : at + 1 + count].tolist())
            at += 1 + count
        return result
