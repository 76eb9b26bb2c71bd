#!/usr/bin/env bash
# The shipped model, from the data folder to the bundle inside the package; about 100 minutes on 2 CPU cores.
# Training resumes where it was cut off. Figures of every stage: docs/experiments.md.
set -euo pipefail
cd "$(dirname "$0")/.."
dispatch=.venv/bin/dispatch

# 1. What the cases say: 7 epochs from the pre-trained encoder (70 minutes, one thread).
$dispatch train --out runs/first --set fit.epochs=7
$dispatch export --run runs/first --out runs/teacher --name teacher

# 2. What the first model and its n-grams say together about rows nobody read: 3 epochs from its weights, with more
#    weight on what was read (who handled a case is learned by now).
$dispatch train --out runs/second \
    --set fit.start=runs/first/network.safetensors --set fit.teacher=runs/teacher \
    --set fit.epochs=3 --set fit.encoder_lr=1e-4 --set fit.head_lr=7e-4 \
    --set loss.handler_function=0.6 --set loss.handler_level=0.3 \
    --set loss.category=1.5 --set loss.level=1.0 --set loss.kind=1.0

# 3. The bundle, and how good it is on the test split.
$dispatch export --run runs/second --out dispatch_model/default_bundle
$dispatch evaluate --out runs/report
