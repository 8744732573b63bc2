"""``python -m tests.fuzz [TARGET…] [--seconds N | --runs N]``: look for inputs that break a rule.

Needs ``atheris`` (requirements/fuzz.txt). New inputs that reach new code stay in ``.fuzz/``; an input that
breaks a rule is written there too, and belongs into ``tests/fuzz/corpus`` with its repair.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from tests.fuzz.mutation import mutate

_FOLDER = Path(__file__).parent
_WORK = Path(".fuzz")
_WORST_INPUT_BYTES = 4096
_ONE_INPUT_WAIT_S = 10
_INSIDE = "--inside"


def main() -> None:
    """Run the targets one after the other, each in a process of its own; the exit code tells of a find."""
    if sys.argv[1:2] == [_INSIDE]:
        _fuzz(sys.argv[2], sys.argv[3:])
        return
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="default: all")
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("--runs", type=int, help="inputs per target, instead of a time")
    options = parser.parse_args()
    names = options.targets or _names()
    if unknown := set(names) - set(_names()):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(_names())}")
    bound = (
        f"-runs={options.runs}"
        if options.runs
        else f"-max_total_time={max(1, options.seconds // len(names))}"
    )
    sys.exit(max(_start(name, bound) for name in names))


def _names() -> list[str]:
    return sorted(path.name for path in (_FOLDER / "corpus").iterdir())


def _start(name: str, bound: str) -> int:
    found = _WORK / name
    found.mkdir(parents=True, exist_ok=True)
    print(f"== {name}", flush=True)
    arguments = [
        bound,
        f"-max_len={_WORST_INPUT_BYTES}",
        f"-timeout={_ONE_INPUT_WAIT_S}",
        f"-artifact_prefix={_WORK}/{name}-",
        f"-dict={_FOLDER / 'words.dict'}",
        "-rss_limit_mb=1024",
        "-verbosity=0",
        "-print_final_stats=1",
        str(found),
        str(_FOLDER / "corpus" / name),
    ]
    command = [sys.executable, "-m", "tests.fuzz", _INSIDE, name, *arguments]
    return subprocess.run(command, check=False).returncode


def _fuzz(name: str, arguments: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["eebus"]):
        from tests.fuzz.targets import TARGETS

    def mutated(data: bytes, max_size: int, seed: int) -> bytes:
        return mutate(data, max_size, seed, atheris.Mutate)

    atheris.Setup([sys.argv[0], *arguments], TARGETS[name], custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
