#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes every model from ../shared, in resumable stages: a stage whose WORK/*.done exists is skipped.
#   make_models.sh SHARED WORK [MODELS]     MODELS: where NAME/ folders are written (default: the project's models/)
# TRIAL=1 runs every stage on a few texts and steps, to see that all of it works; the models are useless then.
# One CUDA GPU and the packages of requirements.txt. The INT8 scales need the engine: README.md beside this file.
set -euo pipefail
shared=$(realpath "$1")
mkdir -p "$2"
work=$(realpath "$2")
here=$(cd "$(dirname "$0")" && pwd)
models=${3:-$(dirname "$here")}
python=${PYTHON:-python3}
export PYTHONUNBUFFERED=1

"$python" - <<'CHECK' || { echo "make_models: install the packages: pip install -r $here/requirements.txt" >&2; exit 1; }
import sys
missing = []
for name in ("torch", "numpy", "safetensors", "tokenizers", "pyarrow", "matplotlib", "onnx", "openvino"):
    try:
        __import__(name)
    except ImportError:
        missing.append(name)
if missing:
    sys.exit(f"make_models: missing Python packages: {', '.join(missing)}")
CHECK
# On a GPU the teachers run side by side; on a CPU one after the other, and for a trial only: it would take days.
together=$("$python" -c 'import torch; print(int(torch.cuda.is_available()))')
[ "$together" = 1 ] || echo "make_models: no CUDA GPU: training on the CPU" >&2
[ -d "$shared/data" ] || { echo "make_models: $shared/data is not there: give the folder with data/ and models/" >&2; exit 1; }

limit=() few=() epochs=() fewer=() short=() spread=(--steps 5000)
if [ -n "${TRIAL:-}" ]; then
  [ -n "${3:-}" ] || { echo "make_models: a trial must not overwrite the project's models: give MODELS" >&2; exit 1; }
  limit=(--limit "${TRIAL_TEXTS:-24}") few=(--steps 4 --tokens 2048) epochs=(--epochs 1) fewer=(--epochs 1 --tokens 2048)
  short=(--copies-emotion 1 --copies-topic 1) spread=("${few[@]}")
fi
stage() { "$python" "$here/$1" "${@:2}" --work "$work"; }
jobs=()
aside() {  # beside the others on a GPU, in turn on a CPU
  if [ "$together" = 1 ]; then "$@" & jobs+=($!); else "$@"; fi
}
join() {
  for job in "${jobs[@]}"; do wait "$job"; done
  jobs=()
}
stage corpus.py --shared "$shared" "${limit[@]}"
stage pretrain.py --shared "$shared" "${few[@]}"
aside stage augment.py "${short[@]}"
stage pretrain.py --shared "$shared" --name encoder8 --start encoder --layers 8 --steps 3199 "${few[@]}"
join
# Teachers and folds are shared out among the processes; a claim without an answer is a run that was stopped.
mkdir -p "$work/answers"
find "$work/answers" -name '.*' -type f -delete
for _ in 1 2 3 4 5; do aside stage teachers.py "${epochs[@]}"; done
join
for seed in 1 2; do aside stage train_base.py --name "base_$seed" --seed "$seed" "${fewer[@]}"; done
join
stage train_base.py --choose base_1 base_2
# Two seeds in full, of which one is taken, and two shorter runs of the same recipe for the spread.
for seed in 1 4; do stage distill_fast.py --name "fast_$seed" --seed "$seed" "${few[@]}"; done
for seed in 2 3; do stage distill_fast.py --name "fast_$seed" --seed "$seed" "${spread[@]}"; done
stage distill_fast.py --choose fast_1 fast_4
for name in base fast; do
  "$python" "$here/export.py" --name "$name" --weights "$work/$name.safetensors" --logs "$work" --shared "$shared" \
    --models "$models"
done
"$python" "$here/export.py" --name large --random --shared "$shared" --models "$work/models"
