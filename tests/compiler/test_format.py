"""The canonical layout: same meaning, every comment, and nothing left to change the second time."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.diagnostics import CompileError, Source
from striate.language import format_source, read
from striate.language.tokens import read_tokens

MODELS = sorted((Path(__file__).parent.parent.parent / "examples").glob("*/*.striate"))

MESSY = """\
#comment without a space


block   f(x,n = 2)->y{ # after a brace

  let k=n*-2   #  kept
  a=x|>conv2d( k+9 ,3,padding = ( 1,1 ) )
  "quoted name"  =  a   |>   relu
  y =  "quoted name"


}
network n(x:f32[3,8,8])->out=z {
    z = x
        |> f
  |> repeat i in 0 .. 2 { f( n = 2 if i==0 else 1) }
    if x.channels==3 and not x.height>9 { unused=x } else {
  unused = x|>concat(
x,
      dim = 1 )   }
}
compare{ gpu( precision=f16,batch = 8 )
  "my.toml"(steps=-4)}
"""

TIDY = """\
# comment without a space

block f(x, n=2) -> y {  # after a brace
  let k = n * -2  #  kept
  a             = x |> conv2d(k + 9, 3, padding=(1, 1))
  "quoted name" = a |> relu
  y             = "quoted name"
}
network n(x: f32[3, 8, 8]) -> out = z {
  z = x
    |> f
    |> repeat i in 0..2 { f(n=2 if i == 0 else 1) }
  if x.channels == 3 and not x.height > 9 { unused = x } else {
    unused = x |> concat(
      x,
      dim=1) }
}
compare { gpu(precision=f16, batch=8)
  "my.toml"(steps=-4) }
"""


def formatted(text: str) -> str:
    return format_source(Source("text", text))


def test_a_messy_text_becomes_tidy() -> None:
    assert formatted(MESSY) == TIDY


def test_a_tidy_text_stays_as_it_is() -> None:
    assert formatted(TIDY) == TIDY


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_formatting_twice_changes_nothing_more(path: Path) -> None:
    once = formatted(path.read_text("utf-8"))
    assert formatted(once) == once
    assert read(once).graph == read(path.read_text("utf-8")).graph


def test_a_text_that_does_not_parse_is_refused() -> None:
    with pytest.raises(CompileError):
        formatted("network n(x: f32[4]) -> y { y = = x }")


def test_line_ends_of_other_systems_become_plain() -> None:
    assert formatted("network n(x: f32[4]) -> y {\r\n  y = x\r\n}\r\n") == "network n(x: f32[4]) -> y {\n  y = x\n}\n"


def words(text: str) -> list[str]:
    """Every token but line breaks; comments without their outer spaces."""
    tokens = [token for token in read_tokens(Source("text", text)) if token.type != "_NEWLINE"]
    return [f"#{t[1:].strip()}" if t.type == "COMMENT" else str(t) for t in tokens]


GAPS = st.sampled_from([" ", "  ", "\t", " \r\n ", "\n\n\n", " # note\n", "\n#note\n\n"])


@given(st.lists(GAPS, min_size=40, max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_layout_keeps_its_words_its_comments_and_its_meaning(gaps: list[str]) -> None:
    text = _scattered(gaps)
    once = formatted(text)
    assert formatted(once) == once
    assert words(once) == words(text)
    assert read(once).graph == read(text).graph


def _scattered(gaps: list[str]) -> str:
    """MESSY's tokens with gaps between them; a line break stays where one ends a statement."""
    pieces: list[str] = []
    tokens = [token for token in read_tokens(Source("text", MESSY)) if token.type != "COMMENT"]
    depth = 0
    for token, gap in zip(tokens, itertools.cycle(gaps), strict=False):
        depth += (token.type in ("LPAR", "LSQB")) - (token.type in ("RPAR", "RSQB"))
        breakable = depth > 0 or token.type in ("LBRACE", "PIPE", "EQUAL", "COMMA", "_NEWLINE")
        pieces += [str(token), gap if breakable else " " if "\n" in gap else gap]
    return "".join(pieces)
