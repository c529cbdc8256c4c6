#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every training stage in order on one GPU machine; a stage whose WORK/*.done exists is skipped.
#   make_models.sh SHARED WORK
set -euo pipefail
shared=$1
work=$2
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONUNBUFFERED=1
mkdir -p "$work"
python3 "$here/corpus.py" --shared "$shared" --work "$work"
python3 "$here/pretrain.py" --shared "$shared" --work "$work"
python3 "$here/augment.py" --work "$work" &
augment=$!
teachers=()
for seed in 1 2 3 4; do
  python3 "$here/train_base.py" --work "$work" teacher --seed "$seed" &
  teachers+=($!)
done
for job in "$augment" "${teachers[@]}"; do wait "$job"; done
python3 "$here/train_base.py" --work "$work" merge --seeds 1 2 3 4
python3 "$here/distill_fast.py" --work "$work"
