# SPDX-License-Identifier: Apache-2.0
"""Checks the committed models: pytest models/train/test_models.py (needs numpy; onnx, onnxruntime, openvino
and transformers if there: a check whose package is missing is skipped)."""
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

MODELS = Path(__file__).resolve().parent.parent
NAMES = ["base", "fast"]
LIMIT_BYTES = {"base": 50_000_000, "fast": 10_000_000}


def manifest_of(name):
    return json.loads((MODELS / name / "manifest.json").read_text(encoding="utf-8"))


def cases_of(name):
    return json.loads((MODELS / name / "parity.json").read_text(encoding="utf-8"))["cases"]


def padded(rows, extra=0):
    seq = max(len(row) for row in rows) + extra
    ids, mask = np.zeros((2, len(rows), seq), np.int32)
    for i, row in enumerate(rows):
        ids[i, :len(row)], mask[i, :len(row)] = row, 1
    return ids, mask


@pytest.fixture(params=["onnxruntime", "openvino"])
def load(request):
    """A function from a model's name to a function from (ids, mask) to {output name: array}."""
    package = pytest.importorskip(request.param)

    def with_onnxruntime(name):
        session = package.InferenceSession(str(MODELS / name / "model.onnx"),
                                           providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return lambda ids, mask: dict(zip(names, session.run(
            None, {"input_ids": ids, "attention_mask": mask})))

    def with_openvino(name):
        compiled = package.Core().compile_model(str(MODELS / name / "model.onnx"), "CPU",
                                                {"INFERENCE_PRECISION_HINT": "f32"})
        return lambda ids, mask: {output.get_any_name(): value.copy() for output, value in
                                  compiled({"input_ids": ids, "attention_mask": mask}).items()}

    return with_onnxruntime if request.param == "onnxruntime" else with_openvino


@pytest.mark.parametrize("name", NAMES)
def test_files_are_those_the_manifest_names(name):
    manifest = manifest_of(name)
    for part in ("weights", "vocabulary"):
        data = (MODELS / name / manifest[part]["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == manifest[part]["sha256"], part
    assert manifest["weights"]["bytes"] == (MODELS / name / "model.onnx").stat().st_size
    assert manifest["weights"]["bytes"] <= LIMIT_BYTES[name]
    words = (MODELS / name / "vocab.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    assert len(words) == len(set(words)) == manifest["vocabulary"]["size"] == 21128


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_alphabetical_and_negative_is_among_them(name):
    emotion, topic = manifest_of(name)["tasks"]
    assert (emotion["name"], topic["name"]) == ("emotion", "topic")
    for task, count in ((emotion, 6), (topic, 14)):
        assert task["labels"] == sorted(task["labels"]) and len(task["labels"]) == count
    assert set(emotion["negative"]) < set(emotion["labels"])


@pytest.mark.parametrize("name", NAMES)
def test_graph_has_the_declared_inputs_and_only_half_precision_weights(name):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(MODELS / name / "model.onnx", load_external_data=False)
    manifest = manifest_of(name)
    assert [i.name for i in model.graph.input] == [i["name"] for i in manifest["inputs"]]
    assert [o.name for o in model.graph.output] == [t["output"] for t in manifest["tasks"]]
    for value in model.graph.input:
        assert value.type.tensor_type.elem_type == onnx.TensorProto.INT32
        assert [d.dim_param for d in value.type.tensor_type.shape.dim] == ["batch", "seq"]
    for output, task in zip(model.graph.output, manifest["tasks"]):
        assert output.type.tensor_type.shape.dim[1].dim_value == len(task["labels"])
    for weight in model.graph.initializer:
        assert weight.data_location != onnx.TensorProto.EXTERNAL
        if int(np.prod(weight.dims)) > 8:
            assert weight.data_type == onnx.TensorProto.FLOAT16, weight.name


@pytest.mark.parametrize("name", NAMES)
def test_answers_equal_pytorch(name, load):
    run = load(name)
    for case in cases_of(name):
        answer = run(*padded([case["input_ids"]]))
        for output in ("emotion_logits", "topic_logits"):
            assert np.abs(answer[output][0] - case[output]).max() <= 1e-4, case["text"][:30]


@pytest.mark.parametrize("batch,extra", [(1, 7), (3, 0), (8, 1), (32, 64)])
@pytest.mark.parametrize("name", NAMES)
def test_padding_and_neighbours_change_nothing(name, batch, extra, load):
    run = load(name)
    cases = [case for case in cases_of(name) if len(case["input_ids"]) + extra <= 512]
    for start in range(0, len(cases), batch):
        part = cases[start:start + batch]
        answer = run(*padded([case["input_ids"] for case in part], extra))
        for output in ("emotion_logits", "topic_logits"):
            want = np.array([case[output] for case in part])
            assert answer[output].shape == want.shape
            assert np.abs(answer[output] - want).max() <= 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_token_ids_equal_bert_tokenizer(name):
    transformers = pytest.importorskip("transformers")
    reference = transformers.BertTokenizer(str(MODELS / name / "vocab.txt"), do_lower_case=True)
    for case in cases_of(name):
        ids = reference(case["text"], truncation=True, max_length=512)["input_ids"]
        assert ids == case["input_ids"], case["text"][:30]


def test_training_tokenizer_equals_bert_tokenizer():
    transformers = pytest.importorskip("transformers")
    corpus = pytest.importorskip("corpus")
    vocabulary = MODELS / "base" / "vocab.txt"
    reference = transformers.BertTokenizer(str(vocabulary), do_lower_case=True)
    mine = corpus.bert_tokenizer(vocabulary)
    texts = [case["text"] for case in cases_of("base")]
    texts += ["我[MASK]你", "a[SEP]b [sep]", "[CLS] [PAD][UNK]", "x [unused1]", "ＡＢ〇é\x00\u3000z"]
    for text in texts:
        assert mine.encode(text).ids == reference(text, truncation=True, max_length=512)["input_ids"], text[:30]


@pytest.fixture
def torch_model():
    """A function from a model's name to its PyTorch network with the committed weights."""
    pytest.importorskip("torch")
    graphs = pytest.importorskip("graphs")
    return lambda name: graphs.load_onnx(MODELS / name / "model.onnx")


def labels_of(name):
    return {task["name"]: task["labels"] for task in manifest_of(name)["tasks"]}


@pytest.mark.parametrize("name", NAMES)
def test_reading_a_file_back_and_writing_it_again_changes_nothing(name, torch_model):
    import graphs
    manifest = manifest_of(name)
    again = graphs.make_graph(torch_model(name), name, manifest["version"], labels_of(name))
    assert again.SerializeToString(deterministic=True) == (MODELS / name / "model.onnx").read_bytes()


@pytest.mark.parametrize("precision,tolerance", [("fp32", 1e-4), ("fp16", 1e-2)])
@pytest.mark.parametrize("name", NAMES)
def test_both_exports_equal_pytorch_with_unrounded_weights(name, precision, tolerance, torch_model):
    import graphs
    import torch
    runtime = pytest.importorskip("onnxruntime")
    model = torch_model(name)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():  # off the FP16 grid, as trained weights are
            parameter.mul_(1.0 + 2e-4 * torch.rand_like(parameter))
    if name == "fast":
        model.fold()
    graph = graphs.make_graph(model, name, "test", labels_of(name), precision)
    session = runtime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    for case in cases_of(name):
        ids = np.array([case["input_ids"]], np.int32)
        with torch.no_grad():
            want = model(torch.from_numpy(ids).long(), torch.ones(ids.shape, dtype=torch.bool))
        have = session.run(["emotion_logits", "topic_logits"],
                           {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        for task, logits in zip(("emotion", "topic"), have):
            assert np.abs(logits[0] - want[task][0].numpy()).max() <= tolerance, case["text"][:30]


def test_labels_that_do_not_fit_the_heads_are_refused(torch_model):
    import graphs
    labels = labels_of("fast")
    labels["emotion"] = labels["emotion"][:-1]
    with pytest.raises(ValueError, match="emotion: 5 labels for 6 outputs"):
        graphs.make_graph(torch_model("fast"), "fast", "test", labels)


@pytest.mark.parametrize("content,message", [
    ("label\ttext\nangry\tx\nno tab\n", ":3: needs a label, a tab and a text"),
    ("label\ttext\n\tx\n", ":2: needs a label"),
    ("label\ttext\n", "no rows after the header"),
])
def test_training_data_errors_name_file_and_line(tmp_path, content, message):
    finetune = pytest.importorskip("finetune")
    path = tmp_path / "mine.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(finetune.DataError, match=message):
        finetune.read_tsv(path)


def test_own_labels_need_neutral_and_known_negatives():
    finetune = pytest.importorskip("finetune")
    known = labels_of("fast")["emotion"]
    assert finetune.order_labels("emotion", ["sad", "angry"], known, ["sad"]) == (known, ["sad"])
    assert finetune.order_labels("emotion", ["up", "neutral"], known, ["up"])[0] == ["neutral", "up"]
    with pytest.raises(finetune.DataError, match="needs a label 'neutral'"):
        finetune.order_labels("emotion", ["up", "down"], known, ["down"])
    with pytest.raises(finetune.DataError, match="--negative names angry"):
        finetune.order_labels("emotion", ["up", "neutral"], known, ["angry"])
    with pytest.raises(finetune.DataError, match="2 to 8 can be served"):
        finetune.order_labels("emotion", [f"l{i}" for i in range(9)], known, [])


@pytest.mark.parametrize("start", NAMES)
def test_own_data_gives_a_model_that_learns_and_can_be_served(tmp_path, start):
    pytest.importorskip("torch")
    import subprocess
    import sys
    words = {"neutral": "桌子 椅子 窗户 门 纸", "up": "高兴 开心 快乐 幸福 笑", "down": "难过 伤心 痛苦 哭 泪"}
    rows = [f"{label}\t{a} {b} {i}" for label, text in words.items() for i, a in enumerate(text.split())
            for b in text.split()]
    (tmp_path / "mine.tsv").write_text("label\ttext\n" + "\n".join(rows) + "\n", encoding="utf-8")
    subprocess.run([sys.executable, str(Path(__file__).parent / "finetune.py"), "--task", "emotion", "--from", start,
                    "--data", str(tmp_path / "mine.tsv"), "--name", "mine", "--output", str(tmp_path),
                    "--negative", "down", "--batch", "8", "--epochs", "3"], check=True)
    manifest = json.loads((tmp_path / "mine/manifest.json").read_text(encoding="utf-8"))
    assert manifest["tasks"][0]["labels"] == ["down", "neutral", "up"]
    assert manifest["tasks"][1]["labels"] == labels_of(start)["topic"]
    assert manifest["metrics"]["held_out"]["accuracy"] >= 0.9
