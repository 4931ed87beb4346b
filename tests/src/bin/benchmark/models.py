"""Embeds with sentence-transformers or model2vec for `benchmark models`: what standard input asks for, line by line.

    python models.py sentence-transformers|model2vec DIRECTORY TEXTS.json
    python models.py make DIRECTORY TOKENIZER.json
"""

import json
import os
import sys
import time

import numpy

kind, directory, file = sys.argv[1:]
if kind == "make":
    import model2vec
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(file)
    vectors = numpy.random.default_rng(1).standard_normal((tokenizer.get_vocab_size(), 256)).astype("float32")
    model2vec.StaticModel(vectors, tokenizer, normalize=True).save_pretrained(directory)
    sys.exit()

with open(file) as opened:
    texts = json.load(opened)
if kind == "model2vec":
    import model2vec

    model = model2vec.StaticModel.from_pretrained(directory)
    about = f"model2vec {model2vec.__version__}"
    encode = model.encode
else:
    import sentence_transformers
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = sentence_transformers.SentenceTransformer(directory, device="cpu")
    about = (
        f"sentence-transformers {sentence_transformers.__version__}, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads"
    )

    def encode(texts):
        return model.encode(texts, normalize_embeddings=True)


encode(texts[:32])
print(about, flush=True)
for line in sys.stdin:
    started = time.perf_counter()
    vectors = encode(texts)
    seconds = time.perf_counter() - started
    if line.strip():
        numpy.asarray(vectors, dtype="<f4").tofile(line.strip())
    print(seconds, flush=True)
