"""Writes a very small llama model as a GGUF file, with random weights: native code in milliseconds. No Footnote."""

import struct
from pathlib import Path

import numpy as np

WIDTH, LAYERS, HEADS, HIDDEN, CONTEXT = 64, 2, 2, 128, 512
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def byte_letters():
    """GPT-2's letter for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {**{byte: chr(byte) for byte in plain}, **{byte: chr(256 + n) for n, byte in enumerate(others)}}


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def pair(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def texts(values):
    return struct.pack("<IQ", 8, len(values)) + b"".join(map(text, values))


def write_tiny_model(path: Path, *, seed: int = 1, context: int = CONTEXT) -> Path:
    """A model of 3 special tokens and 256 bytes, weights in float32."""
    letters = byte_letters()
    vocabulary = [*SPECIAL, *(letters[byte] for byte in range(256))]
    size = -(-len(vocabulary) // 32) * 32
    vocabulary += [f"<unused{n}>" for n in range(size - len(vocabulary))]
    kinds = [3] * 3 + [1] * 256 + [5] * (size - 259)
    u32 = lambda n: struct.pack("<I", n)  # noqa: E731
    pairs = [
        pair("general.architecture", 8, text("llama")),
        pair("general.name", 8, text("tiny")),
        pair("general.license", 8, text("mit")),
        pair("general.file_type", 4, u32(0)),
        pair("llama.block_count", 4, u32(LAYERS)),
        pair("llama.context_length", 4, u32(context)),
        pair("llama.embedding_length", 4, u32(WIDTH)),
        pair("llama.feed_forward_length", 4, u32(HIDDEN)),
        pair("llama.attention.head_count", 4, u32(HEADS)),
        pair("llama.attention.head_count_kv", 4, u32(HEADS)),
        pair("llama.rope.dimension_count", 4, u32(WIDTH // HEADS)),
        pair("llama.attention.layer_norm_rms_epsilon", 6, struct.pack("<f", 1e-5)),
        pair("llama.vocab_size", 4, u32(size)),
        pair("tokenizer.ggml.model", 8, text("gpt2")),
        pair("tokenizer.ggml.pre", 8, text("smollm")),
        pair("tokenizer.ggml.tokens", 9, texts(vocabulary)),
        pair("tokenizer.ggml.token_type", 9, struct.pack(f"<IQ{size}i", 5, size, *kinds)),
        pair("tokenizer.ggml.merges", 9, texts(["a b"])),
        pair("tokenizer.ggml.bos_token_id", 4, u32(0)),
        pair("tokenizer.ggml.eos_token_id", 4, u32(2)),
        pair("tokenizer.ggml.add_bos_token", 7, b"\0"),
    ]
    draw = np.random.default_rng(seed)
    shapes = {"token_embd.weight": (size, WIDTH), "output_norm.weight": (WIDTH,), "output.weight": (size, WIDTH)}
    for n in range(LAYERS):
        square = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (WIDTH, WIDTH))
        wide = {"ffn_gate": (HIDDEN, WIDTH), "ffn_up": (HIDDEN, WIDTH), "ffn_down": (WIDTH, HIDDEN)}
        norms = {"attn_norm": (WIDTH,), "ffn_norm": (WIDTH,)}
        shapes |= {f"blk.{n}.{name}.weight": shape for name, shape in (square | wide | norms).items()}
    directory, data = b"", b""
    for name, shape in shapes.items():
        weights = np.ones(shape) if len(shape) == 1 else draw.normal(0, 0.3, shape)
        dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
        directory += text(name) + dimensions + struct.pack("<IQ", 0, len(data))
        data += weights.astype("<f4").tobytes()
        data += b"\0" * (-len(data) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(pairs)) + b"".join(pairs) + directory
    path.write_bytes(head + b"\0" * (-len(head) % 32) + data)
    return path
