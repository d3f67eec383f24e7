"""The end of `bailiwick up`: orderly, and with nothing left behind."""

import os
import signal
import stat
import subprocess
from typing import Any

import openai
import pytest


def slow_stream(client: openai.OpenAI, words: int) -> Any:
    return client.chat.completions.create(
        model="slow", messages=[{"role": "user", "content": "w " * words}], stream=True
    )


def test_ctrl_c_lets_a_stream_end_and_leaves_nothing(up: Any, left: Any) -> None:
    """A stream under way arrives whole, its row is in the ledger, no process is left, exit 0."""
    up.start()
    assert left(), "the processes are looked for in the right place"
    with up.client() as client, slow_stream(client, 20) as stream:
        words = iter(stream)
        next(words)
        assert up.process is not None
        up.process.send_signal(signal.SIGINT)
        rest = [c.choices[0].delta.content for c in words if c.choices[0].delta.content]
    assert up.process.wait(60) == 0
    assert len(rest) == 20
    assert left() == {}
    [row] = up.rows()
    assert (row["state"], row["output_tokens"]) == ("settled", 20)


def test_a_second_ctrl_c_does_not_wait(up: Any, left: Any, wait: Any) -> None:
    """With a long stream under way, Ctrl-C twice ends it all the same, in order."""
    up.start()
    with up.client() as client, slow_stream(client, 2000) as stream:
        next(iter(stream))
        up.process.send_signal(signal.SIGINT)
        wait("it says what it waits for", lambda: "requests under way: 1" in up.said())
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(60) == 0
    assert left() == {}


def test_sigterm_is_a_ctrl_c(up: Any, left: Any) -> None:
    """Exit 0 and no process left."""
    up.start()
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(60) == 0
    assert left() == {}


def test_kill_9_of_up_takes_everything_along(up: Any, left: Any, wait: Any) -> None:
    """No process survives, and the next `up` on the same data directory serves."""
    up.start()
    os.kill(up.process.pid, signal.SIGKILL)
    up.process.wait()
    wait("no process", lambda: not left())
    up.output.unlink()
    up.start()
    assert up.ready()


def test_everything_is_written_below_the_data_directory(up: Any) -> None:
    """Where it was started there is nothing new, and nobody else can look into the data."""
    before = {path.name for path in up.folder.iterdir()}
    up.start()
    assert up.interrupt() == 0
    after = {path.name for path in up.folder.iterdir()}
    assert after - before == {"data", "up.log"}
    assert stat.S_IMODE(up.data.stat().st_mode) == 0o700
    readable = [
        path for path in up.data.rglob("*") if path.is_file() and path.stat().st_mode & 0o077
    ]
    assert [path.name for path in readable if path.name != ".gitignore"] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_while_it_starts_is_clean(up: Any, left: Any, wait: Any, number: int) -> None:
    """Stopped before it serves, it ends just as cleanly."""
    with up.output.open("ab") as output:
        up.process = subprocess.Popen(
            up.command("--echo"), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    wait("the first line", lambda: "Starting" in up.said())
    up.process.send_signal(number)
    assert up.process.wait(60) == 0
    assert left() == {}
