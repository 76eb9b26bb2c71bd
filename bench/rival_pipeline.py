"""What people deploy, for bench/rivals.py: BERT in a transformers pipeline behind FastAPI, `… rival_pipeline.py PORT`.

12 layers of 768 in fp32 on torch, the sizes of bert-base-chinese, one label per category. Weights are random: that
changes the labels, not the time. One token per Chinese character, as that vocabulary has it.
"""

import sys

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer, pipeline

WORDS, CATEGORIES = 21128, 515


class Case(BaseModel):
    """The body of a request."""

    transcript: str


def vocabulary() -> dict[str, int]:
    """As many entries as bert-base-chinese has: its marks, what may be printed, Chinese characters."""
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(chr, range(33, 127)), *"，。！？、：；（）《》“”"]
    marks += map(chr, range(0x4E00, 0xA000))
    marks += [f"[unused{number}]" for number in range(WORDS - len(marks))]
    return {mark: number for number, mark in enumerate(marks)}


def application() -> FastAPI:
    """`POST /predict`, in FastAPI's threads as a plain function is."""
    torch.manual_seed(1)
    model = BertForSequenceClassification(BertConfig(vocab_size=WORDS, num_labels=CATEGORIES)).eval()
    tokenizer = BertTokenizer(vocab=vocabulary(), model_max_length=512)
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    app = FastAPI()

    @app.get("/health")
    def health() -> str:
        return "ok"

    @app.post("/predict")
    def predict(case: Case) -> list[dict[str, str | float]]:
        found: list[dict[str, str | float]] = classify(case.transcript, top_k=5, truncation=True)
        return found

    return app


if __name__ == "__main__":
    uvicorn.run(application(), host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
