"""What the documents for users list is what there is: nothing is left out, nothing is promised that does not exist."""

import re

from support.programs import ROOT

README = (ROOT / "README.md").read_text()


def sources(*patterns) -> str:
    return "\n".join(path.read_text() for pattern in patterns for path in sorted(ROOT.glob(pattern)))


def test_every_metric_stands_in_the_table():
    counted = set(re.findall(r'"(bascule_[a-z_0-9]+)"', sources("host/**/*.c", "lua/bascule/**/*.lua")))
    listed = set(re.findall(r"^\| `(bascule_[a-z_0-9]+)`", (ROOT / "docs/metrics.md").read_text(), re.M))
    assert len(counted) > 15 and counted == listed


def test_every_path_stands_in_the_readme():
    routes = re.findall(r'\{ "([A-Z]+)", "([^"]+)",', sources("lua/bascule/routes.lua"))
    paths = {path.replace(":secret", "THE-SECRET") for _, path in routes}
    assert len(paths) > 20 and {path for path in paths if not re.search(re.escape(path) + r"(?![\w/])", README)} == set()


def test_every_command_stands_in_the_readme():
    usage = sources("host/cmd/*.c")
    commands = set(re.findall(r"(?:usage: |       )bascule ([a-z]+(?: [a-z]+)?)", usage))
    assert len(commands) > 10 and {name for name in commands if f"bascule {name}" not in README} == set()


def test_every_function_of_the_rules_library_stands_in_the_manual():
    manual = (ROOT / "docs/rules.md").read_text()
    functions = set(re.findall(r"^function (\w+\.\w+)", sources("lua/bascule/rules/*.lua"), re.M))
    library = manual[manual.index("## Libraries"):manual.index("## Trying them")]
    listed = set(re.findall(r"^\| `(\w+\.\w+)\(", library, re.M))
    assert len(functions) >= 10 and functions == listed
