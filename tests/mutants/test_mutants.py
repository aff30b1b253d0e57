"""The mutation run notices what tests notice, and says so (R22: its figures are in docs/mutation.md)."""

from __future__ import annotations

import importlib.util
import os
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from scripts.mutants import report
from scripts.mutants.report import Tried
from scripts.mutants.table import AREAS
from scripts.mutants.transplant import transplant
from scripts.mutants.trial import Court, in_a_process, module_name

ROOT = Path(__file__).resolve().parents[2]
SOUND = '''
"""A module."""
from dataclasses import dataclass

QUERY = "select a from t order by a"


@dataclass
class Box:
    side: int

    @property
    def area(self) -> int:
        return self.side * self.side

    @staticmethod
    def unit() -> int:
        return 1


def double(number: int, times: int = 2) -> int:
    return number * times
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that is imported, as the code under test is."""
    file = tmp_path / "sound_module.py"
    file.write_text(SOUND)
    spec = importlib.util.spec_from_file_location("sound_module", file)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "sound_module", made)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize(
    ("sound", "wrong", "asked"),
    [
        ("number * times", "number / times", lambda module: module.double(4, 2)),
        ("times: int = 2", "times: int = 3", lambda module: module.double(4)),
        ("self.side * self.side", "self.side + self.side", lambda module: module.Box(5).area),
        ("return 1", "return 2", lambda module: module.Box.unit()),
        ("order by a", "order by a desc", lambda module: module.QUERY),
    ],
)
def test_whoever_already_holds_the_function_gets_the_mutant(
    module: ModuleType, sound: str, wrong: str, asked: Callable[[ModuleType], object]
) -> None:
    before, held = asked(module), module.double
    assert transplant(module, SOUND.replace(sound, wrong)) == 1

    assert asked(module) != before
    assert module.double is held


def test_what_is_the_same_to_the_interpreter_is_no_mutant(module: ModuleType) -> None:
    assert transplant(module, SOUND) == 0
    assert transplant(module, SOUND.replace("return 1", "return (1)")) == 0


@pytest.mark.parametrize(("code", "told"), [(0, ""), (1, "test_a failed")])
def test_a_trial_ends_with_the_code_of_its_process_and_what_it_told_first(code: int, told: str) -> None:
    def act(tell: Callable[[str], None]) -> int:
        if told:
            tell(told)
        return code

    assert in_a_process(act, wall_s=30, cpu_s=30) == (code, told)


def test_a_mutant_that_never_ends_is_ended() -> None:
    def hang(tell: Callable[[str], None]) -> int:
        tell(str(os.getpid()))
        while True:
            pass

    code, told = in_a_process(hang, wall_s=0.5, cpu_s=30)
    assert code is None
    with pytest.raises(ProcessLookupError):
        os.kill(int(told), 0)


def test_a_mutant_that_a_test_notices_is_killed_and_the_test_is_named(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = tmp_path / "test_of_the_sound_module.py"
    tests.write_text(
        textwrap.dedent("""
            import sound_module

            def test_it_doubles():
                assert sound_module.double(4) == 8
        """)
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    court = Court((str(tests),), wall_s=120, cpu_s=60).measured()

    killed = court.judge("sound_module", SOUND.replace("number * times", "number + times + 1"))
    assert (killed.result, killed.by) == ("killed", f"{tests.name}::test_it_doubles")
    assert court.judge("sound_module", SOUND.replace("return 1", "return 2")).result == "survived"
    assert court.judge("sound_module", SOUND).result == "same"


def test_every_area_names_modules_and_tests_that_exist() -> None:
    for area in AREAS:
        assert list(area.files(ROOT)), area.name
        for test in area.tests:
            assert (ROOT / test.partition("::")[0]).exists(), test


def test_no_module_is_tried_twice_and_none_of_the_mapper_s_is_forgotten() -> None:
    files = [file for area in AREAS for file in area.files(ROOT)]
    assert len(files) == len(set(files))

    mapper = ROOT / "services" / "mapper" / "src" / "mlc_mapper" / "woocommerce"
    assert {str(path.relative_to(ROOT)) for path in mapper.glob("[a-z]*.py")} <= set(files)


def test_a_module_is_called_what_python_calls_it() -> None:
    assert module_name("libs/common/src/mlc_common/posting/rules.py") == "mlc_common.posting.rules"


def test_the_rate_counts_what_never_ended_as_noticed_and_what_is_the_same_not_at_all() -> None:
    results = ["killed", "killed", "timed out", "survived", "same"]
    tried = [Tried("posting", "a.py", "f", line, "-x\n+y", result) for line, result in enumerate(results, 1)]
    first, everything = report.rows(tried, {"a.py": 9, "empty.py": 0})

    assert (first.path, first.possible, first.survived, first.rate) == ("a.py", 9, 1, 75.0)
    assert everything.path == "all"
    told = report.text([first, everything], tried)
    assert "a.py:4 f\n-x\n+y" in told
    assert told.endswith("1 more are the same to the interpreter and are not counted.")
    assert report.as_json([first], tried, {"seed": 1})["modules"][0]["noticed_percent"] == 75.0
