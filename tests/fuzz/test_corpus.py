"""Every input of the corpus keeps to the rules, with or without the fuzzer."""

from pathlib import Path

import pytest

from tests.fuzz.mutation import mutate
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("name", TARGETS)
def test_every_input_of_the_corpus_keeps_the_rules(name: str) -> None:
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs
    for path in inputs:
        try:
            TARGETS[name](path.read_bytes())
        except Exception as error:
            raise AssertionError(f"{path.name}: {error}") from error


@pytest.mark.parametrize("name", TARGETS)
def test_mutations_depend_on_input_and_seed_only_and_change_something(name: str) -> None:
    for path in sorted((CORPUS / name).iterdir())[:10]:
        data = path.read_bytes()
        made = [mutate(data, 4096, seed, lambda given, _size: given + b"!") for seed in range(20)]
        assert made == [mutate(data, 4096, seed, lambda given, _size: given + b"!") for seed in range(20)]
        assert len(set(made)) > 1
        assert all(len(each) <= 4096 + 1 for each in made)
