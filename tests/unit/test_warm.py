"""Programs that are forked from a helper are processes as any other."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.servers._warm import ForkedProcess, WarmProgram, can_fork

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nodes are forked on Linux alone")

_DEADLINE_S = 60
_CHECKOUT = Path(__file__).parents[2]
_PROGRAMS = {
    "telling": f"""
import json, os, random, resource, sys
sys.path.append({str(_CHECKOUT)!r})
from actors.domain.model import new_job_id
from web.wire.replies import new_request_id

if __name__ == "__main__":
    told = {{
        "arguments": sys.argv[1:],
        "environment": dict(os.environ),
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "files": [os.readlink(f"/proc/self/fd/{{each}}") for each in range(3)],
        "folder": os.getcwd(),
        "pid, session, parent": [os.getpid(), os.getsid(0), os.getppid()],
        "limit": resource.getrlimit(resource.RLIMIT_NOFILE),
        "random": [new_job_id()[8:18], new_request_id()[:8], random.random()],
    }}
    print(json.dumps(told))
    sys.exit(7)
""",
    "waiting": """
if __name__ == "__main__":
    import sys, time
    sys.stderr.write("here")
    print("there", flush=True)
    time.sleep(1000)
""",
    "threaded": """
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
""",
}
_STARTER = """
import sys
from pathlib import Path
from tests.servers._warm import WarmProgram
program = WarmProgram("waiting", [], Path(sys.argv[1]))
one = program.start({}, Path("/"), 1, 1)
print("begun", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("programs")
    for name, text in _PROGRAMS.items():
        (folder / f"{name}.py").write_text(text)
    return folder


@pytest.fixture(scope="module")
def waiting(root: Path) -> WarmProgram:
    return WarmProgram("waiting", [], root)


def _run(program: WarmProgram, folder: Path, **environment: str) -> tuple[int, dict[str, Any]]:
    """Run a program to its end; give its exit code and what it told."""
    with (folder / "told").open("w+b") as told:
        forked = program.start(environment, folder, told.fileno(), told.fileno())
        _begin(forked)
        code = forked.wait(_DEADLINE_S)
        told.seek(0)
        return code, json.loads(told.read())


def _begin(forked: ForkedProcess) -> None:
    with forked.stdin as gate:
        gate.write(b"go\n")


def test_what_is_forked_has_all_of_its_own_and_nothing_of_its_starter(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_STARTER", "1")
    program = WarmProgram("telling", [], root)
    code, told = _run(program, tmp_path, MINE="ä")
    _, other = _run(program, tmp_path)

    assert code == 7
    assert told["arguments"] == []
    assert (told["environment"], other["environment"]) == ({"MINE": "ä"}, {})
    assert told["folder"] == str(tmp_path)
    assert told["files"] == [os.devnull, *[str(tmp_path / "told")] * 2]
    # The fourth is the folder that it lists.
    assert told["descriptors"] == ["0", "1", "2", "3"]
    pid, session, parent = told["pid, session, parent"]
    assert (session, parent) == (pid, os.getpid())
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert told["limit"] == [64_000 if most == resource.RLIM_INFINITY else min(most, 64_000), most]
    for mine, others in zip(told["random"], other["random"], strict=True):
        assert mine != others


def test_it_is_stopped_and_killed_as_any_child(waiting: WarmProgram) -> None:
    says, said = os.pipe()
    with os.fdopen(says) as output:
        forked = waiting.start({}, Path("/"), said, said)
        os.close(said)
        assert forked.poll() is None
        _begin(forked)
        assert output.readline() == "herethere\n"
        with pytest.raises(subprocess.TimeoutExpired):
            forked.wait(0)
        forked.send_signal(signal.SIGSTOP)
        stopped = os.waitid(os.P_PID, forked.pid, os.WSTOPPED)
        assert stopped is not None
        assert stopped.si_status == signal.SIGSTOP
        forked.send_signal(signal.SIGKILL)
        assert forked.wait(_DEADLINE_S) == -signal.SIGKILL
        assert output.read() == ""
    forked.send_signal(signal.SIGKILL)  # nobody is hit


def test_one_that_is_never_told_to_begin_ends(waiting: WarmProgram) -> None:
    forked = waiting.start({}, Path("/"), 1, 2)
    forked.stdin.close()
    assert forked.wait(_DEADLINE_S) == 1


def test_nothing_is_left_when_the_starter_is_killed(root: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _STARTER, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,  # the helper's, too
        cwd=_CHECKOUT,
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"begun\n"
        starter.kill()
        # It ends when nobody has it open any more.
        assert starter.stdout.read() == b""


@pytest.mark.parametrize("module", ["missing", "threaded"])
def test_what_cannot_be_forked_is_an_error(module: str, root: Path) -> None:
    with pytest.raises(ChildProcessError, match=module):
        WarmProgram(module, [], root).start({}, Path("/"), 1, 2)


def test_where_coverage_is_measured_nothing_is_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERAGE_PROCESS_CONFIG", "{}")
    assert not can_fork()
