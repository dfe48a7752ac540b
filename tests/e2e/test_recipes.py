"""examples/recipes: the host takes them, the index names them, and their tests and specs would notice if they did nothing."""

import re
import shutil
import subprocess

from support.programs import BINARY, PATIENCE, ROOT, clean_environment

FOLDER = ROOT / "examples/recipes"
RECIPES = sorted(path.parent.name for path in FOLDER.glob("*/rules.lua"))

# A recipe without its thought: each of its functions gives back what it was given.
HOLLOW = """local rules = assert(loadfile %r)()
for name in pairs { outbound = 1, inbound = 1, report = 1 } do
  rules[name] = rules[name] and function(message) return message end
end
return rules
"""


def own_tests(name):
    return set(re.findall(r'^    \["(.+)"\] = function\(t\)$', (FOLDER / name / "rules.lua").read_text(), re.M))


def run_specs(folder):
    """{recipe: {test: whether it passed}}."""
    done = subprocess.run([BINARY, "lua", "/usr/bin/busted", "-o", "TAP", f"--lpath={ROOT}/lua/?.lua",
                           "examples/recipes"], cwd=folder, env=clean_environment(), capture_output=True, text=True,
                          timeout=60 * PATIENCE)
    results = {}
    for outcome, recipe, test in re.findall(r"^(ok|not ok) \d+ - the recipe (\S+) (.+)$", done.stdout, re.M):
        results.setdefault(recipe, {})[test] = outcome == "ok"
    assert results, done.stdout + done.stderr
    return results


def test_there_are_two_dozen_and_the_index_names_each():
    index = (FOLDER / "README.md").read_text()
    assert len(RECIPES) >= 24
    assert re.findall(r"^\| \[(\S+)\]\(\1/rules\.lua\) \|", index, re.M) and \
        sorted(re.findall(r"^\| \[(\S+)\]\(", index, re.M)) == RECIPES


def test_each_is_short_and_has_tests_and_a_spec():
    for name in RECIPES:
        lines = (FOLDER / name / "rules.lua").read_text().split("  tests = {")
        assert len(lines) == 2 and lines[0].count("\n") <= 40, name
        assert own_tests(name) and (FOLDER / name / "spec/rules_spec.lua").exists(), name


def test_every_spec_fails_where_the_recipe_does_nothing(tmp_path):
    for name in RECIPES:
        shutil.copytree(FOLDER / name / "spec", tmp_path / "examples/recipes" / name / "spec")
        (tmp_path / "examples/recipes" / name / "rules.lua").write_text(
            HOLLOW.replace("%r", f"'{FOLDER / name / 'rules.lua'}'"))
    results = run_specs(tmp_path)
    blind = [name for name in RECIPES if all(results[name].values())]
    blind_tests = [name for name in RECIPES if all(results[name][test] for test in own_tests(name))]
    assert (blind, blind_tests) == ([], [])


def test_the_host_takes_them_all():
    done = subprocess.run([BINARY, "rules", "check"], env=clean_environment(BASCULE_AGENCIES=FOLDER, BASCULE_RULE_MS=1000),
                          capture_output=True, text=True, timeout=60 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(re.findall(r"^  good   recipes/(\S+)/rules\.lua", done.stdout, re.M)) == RECIPES
