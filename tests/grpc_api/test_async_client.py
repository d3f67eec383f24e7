"""The small asyncio client, and what it does when calls end early."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import grpc
import pytest
from running import wait_for
from serving import Served, ask

from bailiwick.llm.aio import LanguageModel, connect, token_file, user
from bailiwick.llm.refusal import RefusedError
from bailiwick.llm.v1 import llm_pb2 as pb

EXAMPLE = Path(__file__).parents[2] / "examples" / "grpc" / "chat.py"


def run(served: Served, test: Callable[[LanguageModel], Awaitable[None]]) -> None:
    """Run with a client."""

    async def inside() -> None:
        async with connect(served.target, token=served.token(), plaintext=True) as model:
            await test(model)

    asyncio.run(inside())


def test_every_method(served: Served) -> None:
    """Chat, pieces, vectors, models, limits."""

    async def test(model: LanguageModel) -> None:
        answer = await model.chat(ask({"tokens": 3}), tags={"feature_name": "aio"})
        pieces = [one async for one in model.stream(ask({"tokens": 3}))]
        vectors = await model.embed(pb.EmbedRequest(model="fast", input=["a"]))

        assert answer.choices[0].message.content == " w" * 3
        assert sum(len(one.choices[0].delta.content) for one in pieces if one.choices) == 6
        assert len(vectors.data) == 1
        assert [one.id for one in await model.models()] == ["echo", "fast"]
        assert (await model.usage()).caller.team == "search"

    run(served, test)


def test_a_refusal_is_raised_with_what_it_says(served: Served) -> None:
    """Of a whole answer and of a stream alike."""

    async def test(model: LanguageModel) -> None:
        wrong = pb.ChatRequest(model="nothing", messages=[user("hi")])
        with pytest.raises(RefusedError, match="model_not_found") as whole:
            await model.chat(wrong)
        with pytest.raises(RefusedError, match="model_not_found") as pieces:
            async for _ in model.stream(wrong):
                pass

        assert whole.value.refusal.status is grpc.StatusCode.NOT_FOUND
        assert list(whole.value.refusal.fields) == ["model"]
        assert list(pieces.value.refusal.fields) == ["chat.model"]

    run(served, test)


def test_leaving_a_stream_ends_it_at_the_provider(served: Served) -> None:
    """`aclosing` is enough: no token is made for nobody."""
    before = len(served.source.attempts())

    async def test(model: LanguageModel) -> None:
        async with aclosing(model.stream(ask({"tokens": 60, "chunk_delay": 0.05}))) as pieces:
            async for _ in pieces:
                break

    run(served, test)

    def ended() -> bool:
        return len(served.source.attempts()) > before

    wait_for("the provider sees it", ended)
    assert served.source.attempts()[-1]["end"] == "caller_left"


def test_cancelling_a_task_ends_its_call_at_the_provider(served: Served) -> None:
    """As with any other coroutine."""
    before = len(served.source.attempts())

    async def test(model: LanguageModel) -> None:
        task = asyncio.create_task(model.chat(ask({"delay": 30})))
        await asyncio.to_thread(
            wait_for, "it arrives", lambda: served.source.control("state")["inflight"] > 0
        )
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(served, test)
    wait_for("the provider sees it", lambda: len(served.source.attempts()) > before)
    assert served.source.attempts()[-1]["end"] == "caller_left"


def test_a_token_is_read_anew_for_each_call(served: Served, tmp_path: Path) -> None:
    """A projected token is replaced where its file is."""
    file = tmp_path / "token"
    file.write_text("stale\n")

    async def test() -> None:
        async with connect(served.target, token=token_file(file), plaintext=True) as model:
            with pytest.raises(RefusedError, match="invalid_api_key"):
                await model.models()
            file.write_text(f"{served.token()}\n")
            assert await model.models()

    asyncio.run(test())


def test_plain_text_is_never_a_default(served: Served) -> None:
    """Without a word about it the client wants TLS, which this gateway does not speak."""

    async def test() -> None:
        async with connect(served.target, token=served.token()) as model:
            with pytest.raises(RefusedError) as caught:
                await model.chat(ask(), timeout=5)
            assert caught.value.refusal.status is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(ValueError, match="exclude"):
            async with connect(
                "x:1", token="t", tls=grpc.ssl_channel_credentials(), plaintext=True
            ):
                pass

    asyncio.run(test())


def test_the_example_works(served: Served) -> None:
    """As printed in the documentation."""
    ran = subprocess.run(
        [sys.executable, EXAMPLE, served.target, "fast"],
        env={**os.environ, "TOKEN": served.token()},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )

    assert " w w w w w" in ran.stdout
    assert "requests left" in ran.stdout
