"""Writes models.json: small models of every family, and what sentence-transformers or model2vec computes with them.

    pip install sentence-transformers model2vec
    python tests/golden/models.py > tests/golden/models.json

Models are saved by these packages, get weights of pseudo-random numbers of 8 bits, and are loaded again. The file holds
what is not a number of a weight: the configurations, tokenizers, the tensors' names, shapes and types. A test makes the
same numbers again.
"""

import json
import pathlib
import sys
import tempfile

import model2vec
import numpy
import safetensors.numpy
import safetensors.torch
import sentence_transformers
import tokenizers
import torch
import transformers
from sentence_transformers.sentence_transformer import modules

WORDS = 60
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
SIZES = {
    "vocab_size": WORDS,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "max_position_embeddings": 170,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}


def words(count, step):
    return " ".join(f"w{4 + i * step % (WORDS - 4)}" for i in range(count))


TEXTS = ["w7", "", words(11, 5), "unknown w5 <pad> w9 w5", words(40, 11), words(150, 17), words(400, 3)]


class Numbers:
    """The same as the test's."""

    def __init__(self):
        self.seed = 1

    def next(self):
        self.seed = (self.seed * 6364136223846793005 + 1442695040888963407) % 2**64
        byte = self.seed >> 40 & 0xFF
        return (byte - 256 if byte > 127 else byte) / 256

    def of(self, name, tensor):
        # a normalization's scale is about 1
        base = 1 if tensor.ndim == 1 and name.endswith(".weight") else 0
        made = [base + self.next() for _ in range(tensor.numel())]
        return torch.tensor(made, dtype=torch.float64).reshape(tensor.shape).to(tensor.dtype)


def tokenizer():
    vocabulary = {word: number for number, word in enumerate(SPECIAL)}
    vocabulary |= {f"w{number}": number for number in range(len(SPECIAL), WORDS)}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    made.add_special_tokens(SPECIAL)
    return made


def fill(path):
    """Gives the tensors of a file their numbers, and returns what the test needs to make the file again."""
    tensors = safetensors.torch.load_file(path)
    described, numbers = [], Numbers()
    for name, tensor in sorted(tensors.items()):
        dtype = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64"}.get(
            tensor.dtype
        )
        if dtype:
            tensors[name] = numbers.of(name, tensor)
            described.append([name, list(tensor.shape), dtype])
        else:
            dtype = {torch.int64: "I64", torch.int8: "I8"}[tensor.dtype]
            described.append([name, list(tensor.shape), dtype, tensor.flatten().tolist()])
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
    return described


def wrapped(made):
    """A tokenizer as transformers saves it."""
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="<s>",
        sep_token="</s>",
        model_max_length=160,
    )


def files_of(directory):
    weights = {str(path.relative_to(directory)): fill(path) for path in sorted(directory.rglob("*.safetensors"))}
    files = {
        str(path.relative_to(directory)): json.loads(path.read_text()) for path in sorted(directory.rglob("*.json"))
    }
    return files, weights


def described(directory, encode):
    """A model's files, and the vectors that it gives."""
    files, weights = files_of(directory)
    vectors = encode(directory)
    cases = [
        {"text": text, "vector": [round(float(x), 7) for x in vector]}
        for text, vector in zip(TEXTS, vectors, strict=True)
    ]
    return {"files": files, "weights": weights, "cases": cases}


def sentence_model(scratch, name, config, pooling, *more, dtype=torch.float32, shard="5GB"):
    torch.manual_seed(1)
    plain, saved = scratch / f"{name}-plain", scratch / name
    model = transformers.AutoModel.from_config(config).to(dtype)
    model.save_pretrained(plain)
    wrapped(tokenizer()).save_pretrained(plain)
    transformer = modules.Transformer(str(plain), model_kwargs={"torch_dtype": dtype})
    width = transformer.get_embedding_dimension()
    pipeline = [transformer, modules.Pooling(width, pooling), *more]
    sentence_transformers.SentenceTransformer(modules=pipeline, device="cpu").save(str(saved), create_model_card=False)
    if shard != "5GB":
        (saved / "model.safetensors").unlink()
        transformer.model.save_pretrained(saved, max_shard_size=shard)

    def encode(directory):
        # in 32 bits, whatever the file has
        loaded = sentence_transformers.SentenceTransformer(
            str(directory), device="cpu", model_kwargs={"torch_dtype": torch.float32}
        )
        return [loaded.encode(text) for text in TEXTS]

    return described(saved, encode)


def static_model(scratch, name, normalize, rows=WORDS, dtype="float32", **more):
    saved = scratch / name
    vectors = (numpy.arange(rows * 24) * 37 % 251 - 125).reshape(rows, 24).astype(dtype)
    model2vec.StaticModel(vectors, tokenizer(), normalize=normalize, **more).save_pretrained(saved)
    return described(saved, lambda directory: model2vec.StaticModel.from_pretrained(directory).encode(TEXTS))


PAIRS = [("w7 w8", text) for text in TEXTS[:6]]


def cross_encoder(scratch, name, config):
    torch.manual_seed(1)
    plain, saved = scratch / f"{name}-plain", scratch / name
    transformers.AutoModelForSequenceClassification.from_config(config).save_pretrained(plain)
    wrapped(tokenizer()).save_pretrained(plain)
    model = sentence_transformers.CrossEncoder(str(plain), device="cpu", activation_fn=torch.nn.Identity())
    model.save_pretrained(str(saved), create_model_card=False)
    files, weights = files_of(saved)
    scores = sentence_transformers.CrossEncoder(str(saved), device="cpu").predict(PAIRS)
    cases = [
        {"query": query, "passage": passage, "score": round(float(score), 7)}
        for (query, passage), score in zip(PAIRS, scores, strict=True)
    ]
    return {"files": files, "weights": weights, "pairs": cases}


def main() -> None:
    normalize = modules.Normalize
    dense = modules.Dense
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        models = {
            "roberta": sentence_model(
                scratch, "roberta", transformers.XLMRobertaConfig(**SIZES, type_vocab_size=1), "cls", normalize()
            ),
            "mpnet": sentence_model(scratch, "mpnet", transformers.MPNetConfig(**SIZES), "mean", normalize()),
            "distilbert": sentence_model(
                scratch,
                "distilbert",
                transformers.DistilBertConfig(
                    vocab_size=WORDS, dim=24, n_layers=3, n_heads=2, hidden_dim=40, max_position_embeddings=170
                ),
                "max",
            ),
            "nomic": sentence_model(
                scratch, "nomic", transformers.NomicBertConfig(**SIZES), "weightedmean", dtype=torch.bfloat16
            ),
            "modernbert": sentence_model(
                scratch,
                "modernbert",
                transformers.ModernBertConfig(**SIZES, local_attention=8, cls_token_id=0, sep_token_id=2),
                "mean_sqrt_len_tokens",
            ),
            "bert": sentence_model(
                scratch,
                "bert",
                transformers.BertConfig(**SIZES, hidden_act="gelu"),
                "lasttoken",
                dense(24, 10),
                dense(10, 12, bias=False, activation_function=torch.nn.Identity()),
                normalize(),
                dtype=torch.float16,
                shard="20KB",
            ),
            "model2vec": static_model(scratch, "model2vec", True),
            "model2vec quantized": static_model(
                scratch,
                "quantized",
                False,
                rows=9,
                dtype="int8",
                max_length=100,
                weights=numpy.ones(WORDS),
                token_mapping=numpy.arange(WORDS) * 5 % 9,
            ),
        }
        embedding = modules.StaticEmbedding(tokenizer(), embedding_dim=24)
        saved = scratch / "static"
        static = sentence_transformers.SentenceTransformer(modules=[embedding, normalize()], device="cpu")
        static.save(str(saved), create_model_card=False)

        def encode(directory):
            return sentence_transformers.SentenceTransformer(str(directory), device="cpu").encode(TEXTS)

        models["static"] = described(saved, encode)
        config = transformers.XLMRobertaConfig(**SIZES, type_vocab_size=1, num_labels=1)
        models["roberta cross-encoder"] = cross_encoder(scratch, "cross", config)
    versions = ", ".join(
        f"{package.__name__} {package.__version__.split('+')[0]}"
        for package in (sentence_transformers, transformers, torch)
    )
    note = f"made by tests/golden/models.py with {versions}, model2vec {model2vec.__version__}"
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(model)}" for name, model in models.items())
    sys.stdout.write(f'{{"note": {json.dumps(note)}, "models": {{\n{lines}\n}}}}\n')


main()
