"""docs/rules-in-ten-minutes.md is true: its files are written, its commands run in order, and print what it says."""

import re
import subprocess

from support.programs import BINARY, PATIENCE, ROOT, payload

PAGE = ROOT / "docs/rules-in-ten-minutes.md"
BLOCK = re.compile(r"^```(sh|lua|text)\n(.*?)^```$", re.M | re.S)


def blocks():
    """(language, contents, the name of the file that the text before it ends with) of each, in order."""
    page = PAGE.read_text()
    for found in BLOCK.finditer(page):
        named = re.search(r"`([^`\n]+)`:\n\n$", page[: found.start()])
        yield found[1], found[2], named[1] if named else None


def pattern(line):
    return ".*".join(re.escape(part) for part in line.split("..."))


def test_the_page_does_what_it_says(programs, tmp_path):
    simulator = programs.simulator(**{"cast-delay-ms": 0})
    server = programs.bascule(simulator, BASCULE_RULE_MS=1000)
    server.connect(simulator)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/bascule").symlink_to(BINARY)
    environment = server.environment | {"BASCULE_LISTEN": f"127.0.0.1:{server.port}", "BASCULE_RULE_MS": "1000"}
    environment["PATH"] = f"{tmp_path}/bin:{environment['PATH']}"
    environment["BASCULE_AGENCIES"] = f"{tmp_path}/rules"
    output, published = "", 0
    for language, contents, file in blocks():
        if language == "lua":
            (tmp_path / file).write_text(contents)
        elif language == "text":
            for line in contents.splitlines():
                assert re.search(pattern(line), output), (line, output)
        else:
            if "rules diff" in contents:  # "once the server has carried messages"
                for _ in range(2):
                    answer = server.webhook(payload(message="Kumusta"))
                    server.wait_for(answer.json["id"], "sent", "delivered")
            done = subprocess.run(["bash", "-e", "-c", contents], env=environment, cwd=tmp_path, capture_output=True,
                                  text=True, timeout=120 * PATIENCE)
            output = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
            assert done.returncode == 0, (contents, output)
            published += contents.count("rules publish")
    assert published >= 3
