"""Fixtures of the end-to-end and fault tests: every test gets programs of its own, and they are stopped after it."""

import sys
import pathlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from support.programs import Bascule, Simulator  # noqa: E402


@pytest.fixture
def programs(tmp_path):
    """Start what you like by programs.simulator(...) and programs.bascule(...)."""

    class Programs:
        def __init__(self):
            self.started = []

        def simulator(self, **options) -> Simulator:
            simulator = Simulator(tmp_path, **options).start()
            self.started.append(simulator)
            return simulator

        def bascule(self, simulator=None, start=True, **settings) -> Bascule:
            bascule = Bascule(tmp_path, simulator, **settings)
            self.started.append(bascule)
            return bascule.start() if start else bascule

    programs = Programs()
    try:
        yield programs
        for program in reversed(programs.started):
            if isinstance(program, Simulator) and program.process.poll() is None:
                assert program.call("GET", "/simulate/state?lists=off").json["own_faults"] == []
            program.stop()
    finally:
        for program in programs.started:
            program.kill()


@pytest.fixture
def simulator(programs):
    return programs.simulator()


@pytest.fixture
def bascule(programs, simulator):
    """A server beside a simulator, with one location connected."""
    server = programs.bascule(simulator)
    server.connect(simulator)
    return server
