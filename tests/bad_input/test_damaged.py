"""Damaged and made-up files either work or are refused: no other error, no crash, no hang, no memory without end."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.bad_input.damage import BASES, LEAVES, NUMBERS, WORDS
from tests.bad_input.regressions import REGRESSIONS

ROOT = Path(__file__).parents[2]


class Child:
    """A process that follows recipes; started anew after a crash."""

    def __init__(self):
        self._process = None
        self.counts = Counter()
        self.outcomes = {}

    def __call__(self, recipe):
        """Give what became of a recipe."""
        if self._process is None:
            command = [sys.executable, "-m", "tests.bad_input.damaged_child"]
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            assert self._process.stdout.readline() == "ready\n"
        self._process.stdin.write(json.dumps(recipe) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            _, errors = self._process.communicate(timeout=30)
            code, self._process = self._process.returncode, None
            return {"failed": f"the process ended with {code}", "where": errors[-3000:]}
        told = json.loads(line)
        self.counts[next(iter(told))] += 1
        return told

    def end(self):
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait(30)
            for pipe in (self._process.stdout, self._process.stderr):
                pipe.close()


@pytest.fixture(scope="module")
def child():
    child = Child()
    yield child
    child.end()


place = st.integers(0, 1 << 20)
edits = {
    "byte": st.tuples(st.just("byte"), place, st.integers(0, 255)),
    "early": st.tuples(st.just("early"), place, st.integers(0, 255)),
    "word": st.tuples(st.just("word"), place, st.sampled_from([2, 4, 8]), st.sampled_from(WORDS)),
    "cut": st.tuples(st.just("cut"), place),
    "drop": st.tuples(st.just("drop"), place, st.integers(1, 40)),
    "twice": st.tuples(st.just("twice"), place, st.integers(1, 200)),
    "tag": st.tuples(st.just("tag"), st.integers(0, 30), st.integers(0, 3), st.sampled_from(WORDS)),
    "number": st.tuples(st.just("number"), st.integers(0, 60), st.sampled_from(NUMBERS)),
    "leaf": st.tuples(st.just("leaf"), st.lists(st.integers(0, 9), max_size=8), st.sampled_from(LEAVES)),
}
RAW = ("byte", "early", "word", "cut", "drop", "twice")
KINDS = {"tiff": ("tag", "tag", *RAW), "tiff-ome": ("number", "number", "tag", *RAW), "zarr": ("leaf", "leaf", *RAW),
"ome-zarr": ("leaf",), "vrt": ("number", *RAW),
         "result-zarr": ("leaf", "leaf", "leaf", *RAW), "result-ome": ("leaf",), "result-tiff": ("tag", "number", *RAW),
         "yaml": ("number", *RAW)}  # fmt: skip


def recipes(base):
    kinds = KINDS.get(base, KINDS.get(base.partition("-")[0], RAW))
    return st.fixed_dictionaries(
        {
            "base": st.just(base),
            "file": st.integers(0, 20),
            "edits": st.lists(st.one_of([edits[kind] for kind in kinds]), min_size=1, max_size=4),
        }
    )


def _passes(child, recipe):
    told = child(recipe)
    assert "failed" not in told, f"{json.dumps(recipe)}: {told['failed']}\n{told['where']}"


def _fuzzed(examples):
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )


def _damage(child, base, examples):
    @_fuzzed(examples)
    @given(recipes(base))
    def all_pass(recipe):
        _passes(child, recipe)

    before = Counter(child.counts)
    all_pass()
    child.outcomes[base] = child.counts - before


@pytest.mark.parametrize("base", BASES)
def test_damaged__works_or_is_refused(child, base):
    _damage(child, base, 10)


@pytest.mark.slow
@pytest.mark.parametrize("base", BASES)
def test_damaged__many(child, base):
    _damage(child, base, 120)


@pytest.mark.parametrize("base", BASES)
def test_whole__works(child, base):
    assert child({"base": base, "file": 0, "edits": []}) == {"worked": True}


@pytest.mark.parametrize("recipe", REGRESSIONS, ids=lambda recipe: recipe["why"])
def test_damaged__what_was_found_once(child, recipe):
    _passes(child, recipe)


def test_damage__reaches_both_ends(child):
    """Damage that is always refused at once, or never, would test nothing."""
    bases = sorted(BASES)[::2]
    for base in bases:
        if base not in child.outcomes:  # the same process may have damaged it already, in the same way
            _damage(child, base, 10)
    counts = sum((child.outcomes[base] for base in bases), Counter())
    assert counts["worked"] > 20
    assert counts["refused"] > 50
