#!/usr/bin/env bash
# The shipped model, from the data folder to the bundle inside the package; about two and a half hours on 2 idle CPU cores.
# Training resumes where it was cut off. Figures of every stage: docs/experiments.md.
# Rows of `promise_share` (configs/training.toml) are seen by none of it: `dispatch promise` needs them.
set -euo pipefail
cd "$(dirname "$0")/.."
dispatch=.venv/bin/dispatch
# Its teacher is the bundle in service before it; the shipped one was taught by haikou+d9b98015.
cp -r dispatch_model/default_bundle runs/teacher
taught=(--set fit.teacher=runs/teacher --set fit.threads=2)
late=(--set fit.encoder_lr=1e-4 --set fit.head_lr=7e-4)
long=(--set encoder.halve_after=0 --set encoder.max_tokens=192 --set fit.teacher_weight=0.5 --set loss.handler_function=1.5)

# 1. The encoder reads the train texts, no labels: one pass (14 minutes).
$dispatch pretrain --out runs/language --set pretrain.epochs=1 --set encoder.max_tokens=192 --set fit.threads=2

# 2. It learns the labels reading every token, much of it misheard: 4 passes (45 minutes), one more at half the rate (11).
$dispatch train --out runs/labels --set fit.start=runs/language/encoder.safetensors "${taught[@]}" "${long[@]}" \
    --set fit.epochs=4 --set fit.noise_share=0.4 --set loss.level=1.0 --set loss.category=1.5
$dispatch train --out runs/late --set fit.start=runs/labels/network.safetensors "${taught[@]}" "${long[@]}" "${late[@]}" \
    --set fit.epochs=1 --set fit.noise_share=0.3 --set loss.level=1.5 --set loss.kind=1.5

# 3. Layers 3 to 8 learn to read pairs of tokens, at half the cost: 9 passes (49 minutes), two more at half the rate (12).
$dispatch train --out runs/halved --set fit.start=runs/late/network.safetensors "${taught[@]}"
$dispatch train --out runs/last --set fit.start=runs/halved/network.safetensors "${taught[@]}" "${late[@]}" \
    --set fit.epochs=2 --set fit.teacher_weight=0.5

# 4. The bundle, its promise, and how good it is on the test split.
$dispatch export --run runs/last --out runs/bundle
$dispatch promise --bundle runs/bundle --out runs/promise
$dispatch evaluate --bundle runs/bundle --out runs/report
