"""Many clips at once: order, errors, and workers that end with their parent."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time

import pytest

from voice_data.workers import WorkerError, mapping


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_order(processes: int) -> None:
    with mapping(processes) as apply:
        assert list(apply(math.factorial, range(30))) == [math.factorial(n) for n in range(30)]


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_reaches_the_caller(processes: int) -> None:
    with mapping(processes) as apply, pytest.raises(ValueError, match="negative"):
        list(apply(math.factorial, [3, -1, 4]))


def test_a_worker_that_dies_is_reported() -> None:
    with mapping(2) as apply, pytest.raises(WorkerError, match="perhaps for lack of memory"):
        list(apply(os._exit, [3, 3]))


def test_the_number_of_processes_is_checked() -> None:
    with pytest.raises(ValueError, match="processes must be 1 or more, not 0"), mapping(0):
        pass


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at /proc")  # noqa: PTH112
def test_workers_end_with_a_parent_that_is_killed() -> None:
    code = (
        "import os, time\n"
        "from voice_data.workers import mapping\n"
        "if __name__ == '__main__':\n"
        "    with mapping(2) as apply:\n"
        "        for pid in apply(eval, ['__import__(\"os\").getpid()'] * 4):\n"
        "            print(pid, flush=True)\n"
        "        print('done', flush=True)\n"
        "        time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    stream = parent.stdout
    if stream is None:
        raise AssertionError
    pids = {int(line) for line in iter(lambda: stream.readline().strip(), "done")}
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    stream.close()
    deadline = time.monotonic() + 20
    while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert pids
    assert not any(is_alive(pid) for pid in pids)


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
