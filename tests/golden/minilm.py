"""Writes minilm.json: what sentence-transformers computes for a few texts.

    pip install sentence-transformers
    python tests/golden/minilm.py path/to/all-MiniLM-L6-v2 > tests/golden/minilm.json

The directory is the published model as sentence-transformers reads it: config.json, tokenizer.json, model.safetensors,
modules.json and 1_Pooling/. The texts are embedded one by one, so no padding can touch them.
"""

import json
import sys

import sentence_transformers
import torch
import transformers

LONG = (
    "A vectorizer watches a table. Whenever a row is written, its key is put into a queue; a worker takes keys from "
    "the queue, cuts the text into chunks, asks a model for one vector per chunk and stores chunk and vector together. "
)

TEXTS = [
    "parse command line arguments",
    "Talk to PostgreSQL asynchronously from Rust.",
    "",
    " \n\t",
    "a",
    "!?",
    "Größe, naïveté, Żółć und ein e\u0301 mit Kombinationszeichen",
    "東京タワーは333メートルの高さです。",
    "🦀 crates 🚀 and\u00a0no-break\u200bspaces",
    'fn main() -> Result<(), Box<dyn Error>> { println!("{}", "[MASK] [SEP]"); Ok(()) }',
    "antidisestablishmentarianism" * 8,
    LONG * 3,  # more than 128 tokens, where tokenizer.json would cut; fewer than 256
    LONG * 12,  # more than 256, where the model cuts
    "x" * 300 + " a word too long for the vocabulary is unknown",
]


def main() -> None:
    model = sentence_transformers.SentenceTransformer(sys.argv[1], device="cpu")
    note = (
        f"made by tests/golden/minilm.py with sentence-transformers {sentence_transformers.__version__}, "
        f"transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}, "
        f"max_seq_length {model.max_seq_length}"
    )
    cases = []
    for text in TEXTS:
        vector = model.encode(text, normalize_embeddings=True)
        tokens = len(model.tokenizer(text, truncation=False)["input_ids"])
        cases.append({"text": text, "tokens": tokens, "embedding": [round(float(x), 7) for x in vector]})
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    print(f'{{"note": {json.dumps(note)}, "cases": [\n{lines}\n]}}')


main()
