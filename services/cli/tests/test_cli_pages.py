"""The pages and the `--help` texts say what the command does today: synopses, options, examples, outputs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from mlc_cli.app import app

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
OFFLINE = ("mlc --version", "mlc mapping check", "mlc preview")
UNIVERSAL = {"--json", "--help"}


def walk(command: Any, path: tuple[str, ...] = ("mlc",)) -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its full name."""
    if not hasattr(command, "list_commands"):
        yield " ".join(path), command
        return
    context = command.make_context("mlc", [], resilient_parsing=True)
    for name in command.list_commands(context):
        yield from walk(command.get_command(context, name), (*path, name))


ROOT_COMMAND = typer.main.get_command(app)
COMMANDS = dict(walk(ROOT_COMMAND))


def options(command: Any) -> list[str]:
    return [p.opts[0] for p in command.params if p.opts[0].startswith("--") and not p.hidden]


def section(name: str) -> str:
    found = re.search(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found, f"docs/commands.md has no section {name}"
    return found[1]


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Every command of a console block, its continued lines joined, with its output."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.replace("\\\n", " ").partition("\n")
            yield " ".join(command.split()), output.rstrip()


def mentioned(text: str) -> list[list[str]]:
    """The words of every whole `mlc …` line in code of a text."""
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = re.findall(r"^\s*(?:\$ )?(?:[A-Z_]+=\S+ )*mlc ([a-z-][^\n]*)$", joined, re.MULTILINE)
    cut = (re.split(r"\s(?:#|2>)\s", line)[0] for line in lines)
    return [shlex.split(line.replace("{…}", "x")) for line in cut]


def parse(words: list[str]) -> None:
    """As if the command were given, without doing anything.

    Raises:
        Exception: typer's own, for an unknown command or option, or what is missing.
    """
    name = next(name for name in COMMANDS if words[: len(name.split()) - 1] == name.split()[1:])
    COMMANDS[name].make_context(name, words[len(name.split()) - 1 :])


def test_the_page_has_every_command_and_no_other() -> None:
    assert re.findall(r"^## (mlc .*)$", PAGE, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_section_has_the_sentence_and_the_options_of_the_help(name: str) -> None:
    text, command = section(name), COMMANDS[name]
    assert command.help.split("\n\n")[0].replace("\n", " ") in text
    listed = re.search(r"^Options: (.*)\.$", text, re.MULTILINE)
    assert (re.findall(r"`(--[a-z-]+)`", listed[1]) if listed else []) == [
        each for each in options(command) if each not in UNIVERSAL
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_section_shows_the_command_at_work(name: str) -> None:
    assert any(f"{name} " in f"{command} " for command, _ in blocks(section(name)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_json_and_has_an_example_that_it_understands(name: str) -> None:
    command = COMMANDS[name]
    assert "--json" in options(command)
    examples = mentioned(command.help)
    assert examples
    for words in examples:
        parse(words)


@pytest.mark.parametrize("page", ["README.md", *sorted(p.name for p in (ROOT / "docs").glob("*.md"))])
def test_every_command_line_of_a_page_is_one_that_the_command_understands(page: str) -> None:
    text = (ROOT / page if page == "README.md" else ROOT / "docs" / page).read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL))
    for words in mentioned(code):
        if not words[0].startswith("--") and "…" not in words:
            parse(words)


@pytest.mark.parametrize(
    ("command", "output"),
    [(c, o) for c, o in blocks(PAGE) if c.startswith(OFFLINE) and not c.endswith("typo.yaml")],
    ids=lambda value: value[:60] if value.startswith("mlc") else "output",
)
def test_what_needs_no_server_prints_exactly_what_the_page_shows(
    command: str, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, shlex.split(command)[1:])
    assert result.exit_code == 0
    assert trimmed(result.stdout) == trimmed(output)


def test_no_page_shows_more_than_80_columns_of_a_terminal() -> None:
    for command, output in blocks(PAGE):
        lines = [line for line in output.splitlines() if not line.startswith(("{", "["))]
        # A sentence is one line where it goes into a pipe, as in the tests; a terminal folds it.
        assert command.startswith(OFFLINE) or all(len(line) <= 80 for line in lines), command


def test_the_first_screen_of_the_readme_says_what_this_is_and_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first = text.partition("\n## ")[0].splitlines()
    assert len(first) <= 45
    assert any(line.startswith("make demo") for line in first)
    assert any(line.startswith("make test") for line in first)


def test_the_picture_of_the_demo_fetches_nothing_from_elsewhere() -> None:
    picture = (ROOT / "docs" / "demo.svg").read_text(encoding="utf-8")
    assert "reconciles" in picture.replace("&#160;", " ")
    links = re.findall(r"(?:href|src|url)\s*[=(]\s*[\"']?(https?:[^\"')\s]+)", picture)
    assert links == []


def trimmed(text: str) -> str:
    """Without trailing blanks, and without the mapping's version: that is any edit of the example's comments."""
    text = re.sub(r"version [0-9a-f]{12}", "version …", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
