"""A data directory that takes nothing for a while: gateways serve on, and say what is wrong."""

import os
import signal
from pathlib import Path
from typing import Any

from bailiwick_cli.up.output import OutputLog


def in_the_way(path: Path, pid: int) -> Path:
    """Makes it impossible for the process to replace this file, as a full disk does."""
    obstacle = path.with_name(f".{path.name}.{pid}")
    obstacle.mkdir()
    return obstacle


def test_up_outlives_a_data_directory_that_takes_nothing(up: Any, wait: Any) -> None:
    """What can't be written is said and tried again: a killed Envoy comes back, an edit follows."""
    up.start()
    before = up.served()["demo"]
    served = in_the_way(up.data / "up.json", up.process.pid)
    os.kill(before["envoyPid"], signal.SIGKILL)
    wait("it is said", lambda: "up.json can't be written" in up.said())
    wait("the gateway serves again", up.ready)
    assert up.served()["demo"] == before

    config = in_the_way(up.data / "config" / "demo.pb", up.process.pid)
    text = (up.files / "demo.yaml").read_text()
    up.write("demo.yaml", text.replace("aliases: [echo, default]", "aliases: [echo, fresh]"))
    wait("it is said", lambda: "demo.pb can't be written" in up.said())
    assert up.ready()

    config.rmdir()
    served.rmdir()
    wait("the edit takes effect", lambda: "demo: new config" in up.said())
    with up.client() as client:
        wait("the new alias", lambda: "fresh" in {model.id for model in client.models.list()})
    known = (None, before["envoyPid"])
    wait("up.json is true", lambda: up.served()["demo"]["envoyPid"] not in known)
    assert up.interrupt() == 0


def test_a_log_without_room_for_another_file_goes_on_in_the_old_one(tmp_path: Path) -> None:
    """No line is written to a descriptor that has been given back."""
    path = tmp_path / "agent.log"
    path.with_name("agent.log.1").mkdir()
    log = OutputLog(path, largest=10)
    for word in (b"first line\n", b"second line\n"):
        log.write(word)
    log.close()

    assert path.read_bytes() == b"first line\nsecond line\n"
