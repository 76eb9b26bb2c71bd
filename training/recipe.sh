#!/usr/bin/env bash
# The shipped model, from the data folder to the bundle inside the package; about 90 minutes on 2 idle CPU cores.
# Training resumes where it was cut off. Figures of every stage: docs/experiments.md.
set -euo pipefail
cd "$(dirname "$0")/.."
dispatch=.venv/bin/dispatch

# 1. The encoder reads the train texts, no labels: 2 passes (15 minutes on two threads of an idle machine).
$dispatch pretrain --out runs/language --set fit.threads=2

# 2. It learns the labels: 5 passes (52 minutes idle, 76 beside other work). What the bundle in service says about
#    rows nobody read is learned too; the shipped one was taught by its predecessor, haikou+1712b4d2.
cp -r dispatch_model/default_bundle runs/teacher
$dispatch train --out runs/labels --set fit.start=runs/language/encoder.safetensors --set fit.teacher=runs/teacher

# 3. One more pass at half the rate, with more weight on what was read (11 minutes idle).
$dispatch train --out runs/last --set fit.start=runs/labels/network.safetensors --set fit.epochs=1 \
    --set fit.encoder_lr=1e-4 --set fit.head_lr=7e-4 \
    --set loss.category=2.0 --set loss.level=1.5 --set loss.kind=1.5

# 4. The bundle, and how good it is on the test split.
$dispatch export --run runs/last --out runs/bundle
$dispatch evaluate --bundle runs/bundle --out runs/report
