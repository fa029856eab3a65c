# ruff: noqa: E501
"""What a wrong text gets: the right code at the right place, all mistakes at once, and never a traceback."""

from __future__ import annotations

import contextlib
import re
import time

import numpy as np
import pytest

from striate.diagnostics import CompileError, Diagnostic
from striate.language import read

HEAD = "network n(x: f32[4, 8, 8]) -> y {\n"


def mistakes(text: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(CompileError) as caught:
        read(text)
    assert "^" in str(caught.value) or caught.value.diagnostics[0].code == "not-text"
    return caught.value.diagnostics


def guilty(diagnostic: Diagnostic) -> str:
    assert diagnostic.span
    return diagnostic.span.source.text[diagnostic.span.start : diagnostic.span.end]


@pytest.mark.parametrize(
    ("body", "code", "token", "said"),
    [
        ("y = x |> conv2d(6, 5, paddin=2)", "unknown-attribute", "paddin", "did you mean 'padding'"),
        ("y = x |> conv2d(6, 5, padding=sam)", "bad-attribute", "sam", "did you mean 'same'"),
        ("y = x |> conv2d(6, 5, bias=1)", "bad-attribute", "1", "true or false"),
        ("y = x |> conv2d(6, true)", "bad-attribute", "true", "whole number"),
        ("y = x |> conv2d(6, (1, 2, 3))", "bad-attribute", "(1, 2, 3)", "2 whole numbers"),
        ("y = x |> conv2d(6, 5, stride=0)", "bad-attribute", "0", "at least 1"),
        ("y = x |> conv2d(6, 5, stride=1, stride=2)", "bad-attribute", "stride", "twice"),
        ("y = x |> conv2d", "missing-attribute", "conv2d", "'out_channels' and 'kernel_size'"),
        ("y = x |> max_pool2d(9)", "shape-mismatch", "9", "'x' is f32[4, 8, 8]"),
        ("z = x |> max_pool2d(2)\ny = x + z", "shape-mismatch", "x + z", "'z' is f32[4, 4, 4]"),
        ("y = x |> relu(3)", "wrong-arity", "3", "no attributes"),
        ("y = add(x)", "wrong-arity", "add", "2 operands, not 1"),
        ("y = conv2d(6, 3, x)", "wrong-arity", "x", "before attributes"),
        ("y = x |> relu(x)", "wrong-arity", "relu", "1 operand, not 2"),
        ("a, b = x |> split(1)\ny = a", "wrong-arity", "a, b = x |> split(1)", "4 results"),
        ("y = x |> split((1, 2))", "bad-attribute", "(1, 2)", "add up to 4"),
        ("y = x |> conv2d(6, 5, weigth=\"w\")", "unknown-attribute", "weigth=\"w\"", "did you mean 'weight'"),
        ("y = x |> relu(name=\"w\")", "unknown-attribute", "name=\"w\"", "no parameters"),
        ("y = x |> maxpool2d(2)", "unknown-operator", "maxpool2d", "did you mean 'max_pool2d'"),
        ("y = x |> dropout(0.5)", "unknown-operator", "dropout", "leave it out"),
        ("y = relu", "unknown-name", "relu", "apply it"),
        ("y = z |> relu", "unknown-name", "z", "no value 'z'"),
        ("y = later |> relu\nlater = x |> relu", "used-before-definition", "later", "before it is defined"),
        ("if false { z = x |> relu }\ny = z |> relu", "unknown-name", "z", "not taken"),
        ("y = x |> relu\ny = x |> relu6", "name-used-twice", "y", "defined first here"),
        ("x = x |> relu\ny = x |> relu", "name-used-twice", "x", "defined first here"),
        ("a = x |> relu |> relu\n\"a.relu\" = x |> relu\ny = a", "name-used-twice", "\"a.relu\"", "taken here"),
        ("a = x |> conv2d(3, 1, weight=\"w\")\ny = a |> conv2d(3, 1, weight=\"w\")", "name-used-twice", "weight=\"w\"", "f32[3, 4, 1, 1]"),
        ("z = x |> relu", "missing-output", "y", "never defines"),
        ("let y = 3", "type-mismatch", "y", "the number 3"),
        ("y = 3", "type-mismatch", "y", "write 'let y"),
        ("let z = x\ny = x", "type-mismatch", "x", "without let"),
        ("y = x + 3", "type-mismatch", "+", "two tensors or two numbers"),
        ("y = x % x", "type-mismatch", "%", "not tensors"),
        ("if 1 { y = x } else { y = x }", "type-mismatch", "1", "true or false"),
        ("let z = 1 // 0\ny = x", "bad-arithmetic", "1 // 0", "by zero"),
        ("let z = 7 / 2\ny = x", "bad-arithmetic", "7 / 2", "not whole"),
        ("let z = 999999999 * 999999999\ny = x", "bad-arithmetic", "999999999 * 999999999", "larger"),
        ("y = x |> repeat i in 3..1 { relu }", "bad-repeat", "3..1", "backwards"),
        ("y = x |> repeat i in 0..0.5 { relu }", "bad-repeat", "0..0.5", "0.5"),
        ("y = x |> conv2d(x.depth, 1)", "unknown-attribute", "depth", "did you mean 'width'"),
        ("weights init(0)\nweights \"a\"\ny = x", "bad-weights", "weights \"a\"", "twice"),
        ("weights \"a\" sha256 \"123\"\ny = x", "bad-weights", "weights \"a\" sha256 \"123\"", "64"),
        ("wieghts \"a\"\ny = x", "syntax-error", "wieghts", "expected 'weights'"),
        ("y = x |> leaky_relu(20ms)", "wrong-unit", "20ms", "is a number, not the time 20ms"),
        ("y = x |> relu(\"a)", "syntax-error", "\"a)", "not closed"),
        ("y = x |> relü", "syntax-error", "ü", "U+00FC"),
        ("y = x |> conv2d(6, 5", "syntax-error", "(", "never closed"),
        ("y = = x", "syntax-error", "=", "expected a value"),
        ("if x.height = 3 { y = x }", "syntax-error", "=", "equality is '=='"),
        ("let = 3\ny = x", "syntax-error", "=", "expected a name"),
        ("repeat = x |> relu\ny = x", "reserved-name", "repeat", "word of the language"),
        ("y = x |> linear(99999999999999999999)", "bad-arithmetic", "99999999999999999999", "20 digits"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_code_its_place_and_its_words(body: str, code: str, token: str, said: str) -> None:
    (diagnostic,) = mistakes(f"{HEAD}{body}\n}}")
    assert (diagnostic.code, guilty(diagnostic)) == (code, token)
    words = [diagnostic.message, diagnostic.help or "", *(note.text for note in diagnostic.notes)]
    assert said in "\n".join(words)


@pytest.mark.parametrize(
    ("text", "code", "token"),
    [
        ("block f(x) -> y { y = x |> f }\nnetwork n(x: f32[4]) -> y { y = x |> f }", "recursive-block", "f"),
        ("block f(x, n) -> y { y = x }\nnetwork n(x: f32[4]) -> y { y = x |> f }", "missing-attribute", "f"),
        ("block f(x) -> y { y = x }\nnetwork n(x: f32[4]) -> y { y = x |> f(3) }", "wrong-arity", "3"),
        ("block f(x) -> y { y = x }\nnetwork n(x: f32[4]) -> y { y = x |> f(k=3) }", "unknown-attribute", "k=3"),
        ("block f(x) -> y { z = x }\nnetwork n(x: f32[4]) -> y { y = x |> f }", "missing-output", "y"),
        ("block f(x) -> y { y = x + z }\nnetwork n(z: f32[4]) -> y { y = z |> f }", "unknown-name", "z"),
        ("block f(x) -> y {\n weights init(0)\n y = x\n}\nnetwork n(x: f32[4]) -> y { y = x |> f }", "bad-weights", "weights init(0)"),
        ("block relu(x) -> y { y = x }\nnetwork n(x: f32[4]) -> y { y = x }", "reserved-name", "relu"),
        ("block f(x) -> y { y = x }\nblock f(x) -> y { y = x }\nnetwork n(x: f32[4]) -> y { y = x }", "name-used-twice", "f"),
        ("block f(x) -> y { y = x |> rleu }\nnetwork n(x: f32[4]) -> y { y = x }", "unknown-operator", "rleu"),
        ("block f(x) -> y { y = x |> conv2d(3, 3, strid=2) }\nnetwork n(x: f32[4]) -> y { y = x }", "unknown-attribute", "strid"),
        ("network n(x: f32[4]) -> y { y = x }\nnetwork m(x: f32[4]) -> y { y = x }", "one-per-file", "m"),
        ("network n(x: float32[4]) -> y { y = x }", "unknown-type", "float32"),
        ("network n(x: f32[4], x: f32[4]) -> y { y = x }", "name-used-twice", "x"),
        ("network n(x: f32[0]) -> y { y = x }", "bad-attribute", "x: f32[0]"),
        ("network n(x: f32[4]) -> y { y = x }\ncompare { dta \"x\" }", "unknown-setting", "dta"),
        ("network n(x: f32[4]) -> y { y = x }\ncompare { gpu(i8) }", "bad-machine", "i8"),
        ("network n(x: f32[4]) -> y { y = x }\n}", "syntax-error", "}"),
        ("network n(x: f32[4]) -> y { y = x", "syntax-error", "{"),
        ("block f(x) -> y {\n y = x\nnetwork n(x: f32[4]) -> y { y = x |> f }", "syntax-error", "{"),
        ("network n(x: f32[4]) - y {\n y = x\n z = 3\n}", "syntax-error", "-"),
    ],
)  # fmt: skip
def test_a_mistake_between_statements_has_its_code_and_place(text: str, code: str, token: str) -> None:
    (diagnostic,) = mistakes(text)
    assert (diagnostic.code, guilty(diagnostic)) == (code, token)


def test_every_syntax_mistake_is_reported_at_once() -> None:
    body = "a = x |> conv2d(6, 5\nb = = 3\nif x = 3 { c = x } else { d = ) }\nif true {\n e = 2ms\n f = x }\ng = x y\nlet\n"
    found = mistakes(f"{HEAD}{body}}}\ncompare {{ gpu( }}")
    assert [guilty(diagnostic) for diagnostic in found] == ["(", "=", "=", "y", "}", "("]


def test_every_mistake_in_meaning_is_reported_at_once_in_the_texts_order() -> None:
    found = mistakes(f"{HEAD}a = x |> rleu\nb = x |> conv2d(3, 0.5, strid=1)\nc = q\n}}\ncompare {{ gpu(3) }}")
    assert [d.code for d in found] == [
        "missing-output", "unknown-operator", "bad-attribute", "unknown-attribute", "unknown-name", "bad-machine",
    ]  # fmt: skip


def test_what_depends_on_a_mistake_is_not_blamed() -> None:
    found = mistakes(f"{HEAD}a = x |> rleu\nb = a |> relu\nlet n = b.channels\nif n == 3 {{ c = x }}\ny = b + c\n}}")
    assert [diagnostic.code for diagnostic in found] == ["unknown-operator"]


def test_a_mistake_in_a_block_is_reported_once_with_the_place_it_was_applied() -> None:
    text = f"block f(x, n) -> y {{ y = x |> conv2d(n, 9) }}\n{HEAD}a = x |> f(3)\nb = x |> f(4)\ny = a + b\n}}"
    (diagnostic,) = mistakes(text)
    assert diagnostic.code == "shape-mismatch"
    assert [note.text for note in diagnostic.notes] == ["'x' is f32[4, 8, 8]", "in the block 'f', applied here"]
    place = diagnostic.notes[1].span
    assert place is not None
    assert place.source.position(place.start)[0] == 3


def test_a_mistake_in_a_repeat_says_in_which_round() -> None:
    (diagnostic,) = mistakes(f"{HEAD}y = x |> repeat i in 0..4 {{ max_pool2d(4 - i) }}\n}}")
    assert diagnostic.notes[-1].text == "in the round where i is 1"


ONE = "network n(x: f32[4]) -> y { y = "
CHAIN = "".join(f"block b{i}(x) -> y {{ y = x |> b{i - 1} }}\n" for i in range(1, 300))
DOUBLING = "".join(f"block b{i}(x) -> y {{ y = x |> b{i - 1} |> b{i - 1} }}\n" for i in range(1, 40))
HOSTILE = {
    "nothing": ("", "empty-file"),
    "only a comment": ("# nothing\n\n", "empty-file"),
    "no network": ("block f(x) -> y { y = x }", "empty-file"),
    "10,000 nested parentheses": (ONE + "(" * 10_000 + "x" + ")" * 10_000 + " }", "nesting-too-deep"),
    "a line of 5 MB": (ONE + "x + " * 1_250_000 + "x }", "file-too-large"),
    "a line of 500 kB": (ONE + "x + " * 125_000 + "x }", "file-too-large"),
    "a long pipeline": (ONE + "x" + " |> relu" * 45_000 + " |> rleu }", "unknown-operator"),
    "a NUL": ("network\0", "not-text"),
    "a NUL at the start": ("\0network", "not-text"),
    "bytes": (bytes(range(256)).decode("latin-1") * 100, "not-text"),
    "not ASCII": ("é ß ? ! @\n" * 5_000, "syntax-error"),
    "a deep chain of blocks": (CHAIN + "block b0(x) -> y { y = x }\n" + ONE + "x |> b299 }", "nesting-too-deep"),
    "blocks that double": (DOUBLING + "block b0(x) -> y { y = x }\n" + ONE + "x |> b39 }", "graph-too-large"),
    "a repeat of repeats": (ONE + "x |> repeat i in 0..9999 { repeat j in 0..9999 { relu } } }", "graph-too-large"),
    "a number of 10,000 digits": (ONE + "x |> linear(" + "9" * 10_000 + ") }", "bad-arithmetic"),
    "an infinite number": (ONE + "x |> leaky_relu(1e999) }", "bad-arithmetic"),
    "half a surrogate": ('network "\\ud800"(x: f32[4]) -> y { y = x }', "syntax-error"),
}


@pytest.mark.parametrize(("text", "code"), HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_text_is_refused_quickly_and_clearly(text: str, code: str) -> None:
    start = time.process_time()
    assert mistakes(text)[0].code == code
    assert time.process_time() - start < 8


@pytest.mark.parametrize("cut", range(0, 420, 7))
def test_a_text_cut_off_anywhere_never_raises_anything_else(cut: int) -> None:
    text = (
        "block f(x, n=2) -> y {\n  let k = n * 2\n  y = x |> conv2d(k, 3, padding=same) |> relu\n}\n"
        "network n(x: f32[3, 8, 8]) -> a, b = c {\n  weights init(0)\n  a, q = x |> repeat i in 0..2 { f(4) } |> split(2)\n"
        "  if q.channels == 2 and true {\n    c = q + a\n  } else { c = q }\n}\n"
        'compare {\n  data "d.npz"\n  gpu(precision=f16)\n  "my.toml"(steps=64)\n}\n'
    )
    with contextlib.suppress(CompileError):
        read(text[:cut])


WHOLE = (
    "block f(x, n=2) -> y {\n  let k = n * 2\n  y = x |> conv2d(k, 3, padding=same) |> relu\n}\n"
    "network n(x: f32[3, 8, 8]) -> a, b = c {\n  weights init(0)\n  a, q = x |> repeat i in 0..2 { f(4) } |> split(2)\n"
    "  if q.channels == 2 and true {\n    c = q + a\n  } else { c = q }\n}\ncompare {\n  gpu(precision=f16)\n}\n"
)
PIECES = re.findall(r"\w+|\s+|[^\w\s]", WHOLE)
ODD = [*'(){}[]|=,.:"#\n', "|>", "..", "2ms", "if", "else", "repeat", "not", "network", "block", "1e9", "none", "-"]


@pytest.mark.parametrize("seed", range(4))
def test_a_garbled_text_is_read_or_refused_and_never_breaks_the_reader(seed: int) -> None:
    rng = np.random.default_rng(seed)
    refused = 0
    for _ in range(150):
        pieces = list(PIECES)
        for _ in range(rng.integers(1, 5)):
            place, odd = int(rng.integers(len(pieces))), ODD[rng.integers(len(ODD))]
            pieces[place : place + int(rng.integers(2))] = [odd] if rng.random() < 0.7 else []
        try:
            read("".join(pieces))
        except CompileError:
            refused += 1
    assert refused > 75


def test_a_mistake_after_a_garbled_body_is_found_as_well() -> None:
    found = mistakes(f"{HEAD}if true {{\n a = = x\n b = x }} c\nd = = x\n}}")
    assert [diagnostic.code for diagnostic in found] == ["syntax-error"] * 3
