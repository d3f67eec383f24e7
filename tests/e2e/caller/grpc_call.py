"""Calls the namespace's gateway by gRPC; prints what came as one JSON line.

python grpc_call.py MODEL [--aio] [--stream] [--leave N] [--times N]
"""

import argparse
import asyncio
import json
import os
from contextlib import aclosing
from pathlib import Path
from typing import Any

import grpc

from bailiwick.llm.aio import connect, token_file
from bailiwick.llm.refusal import RefusedError, refusal_of
from bailiwick.llm.v1 import llm_pb2 as pb
from bailiwick.llm.v1.llm_pb2_grpc import LanguageModelStub

TOKEN = Path("/var/run/secrets/bailiwick/token")
Outcome = dict[str, Any]


def ask(model: str, **told: float) -> pb.ChatRequest:
    """A question that tells the provider how to answer."""
    content = json.dumps({"tokens": 7, **told})
    message = pb.ChatMessage(role=pb.ROLE_USER, content=content)
    return pb.ChatRequest(model=model, max_tokens=64, messages=[message])


def slow(model: str) -> pb.ChatRequest:
    """One whose answer lasts long enough to be left."""
    return ask(model, tokens=60, chunk_delay=0.05)


def answered(text: str, usage: pb.Usage) -> Outcome:
    """What was served."""
    used = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
    return {"status": 200, "text": text, "usage": used}


def refused(error: grpc.RpcError) -> Outcome:
    """What the gateway said instead."""
    said = refusal_of(error)
    limits = [one.id for one in said.limits]
    return {
        "status": said.status.name, "code": said.code, "retry_after": said.retry_after,
        "limits": limits,
    }  # fmt: skip


def text_of(piece: pb.ChatStreamResponse) -> str:
    """The piece's text."""
    return "".join(choice.delta.content for choice in piece.choices)


def blocking(stub: LanguageModelStub, options: argparse.Namespace) -> Outcome:
    """One call by a blocking channel."""
    metadata = (("authorization", f"Bearer {TOKEN.read_text().strip()}"),)
    try:
        if not options.stream:
            answer = stub.Chat(ask(options.model), metadata=metadata, timeout=30)
            return answered(answer.choices[0].message.content, answer.usage)
        question = slow(options.model) if options.leave else ask(options.model)
        call = stub.ChatStream(pb.ChatStreamRequest(chat=question), metadata=metadata, timeout=30)
        text, usage = "", pb.Usage()
        for number, piece in enumerate(call, 1):
            text += text_of(piece)
            usage = piece.usage if piece.HasField("usage") else usage
            if number == options.leave:
                call.cancel()
                return {"status": "left", "text": text}
        return answered(text, usage)
    except grpc.RpcError as error:
        return refused(error)


async def asynchronous(target: str, options: argparse.Namespace) -> list[Outcome]:
    """The calls one after the other by the asyncio client."""
    async with connect(target, token=token_file(TOKEN), plaintext=True) as model:
        found: list[Outcome] = []
        for _ in range(options.times):
            try:
                if not options.stream:
                    answer = await model.chat(ask(options.model), timeout=30)
                    found.append(answered(answer.choices[0].message.content, answer.usage))
                    continue
                question = slow(options.model) if options.leave else ask(options.model)
                text, usage, left = "", pb.Usage(), False
                async with aclosing(model.stream(question, timeout=30)) as pieces:
                    number = 0
                    async for piece in pieces:
                        number += 1
                        text += text_of(piece)
                        usage = piece.usage if piece.HasField("usage") else usage
                        if number == options.leave:
                            left = True
                            break
                found.append({"status": "left", "text": text} if left else answered(text, usage))
            except RefusedError as error:
                said = error.refusal
                found.append({"status": said.status.name, "code": said.code})
        return found


def main() -> None:
    """Call as often as told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--aio", action="store_true")
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--leave", type=int, default=0, help="hang up after so many pieces")
    parser.add_argument("--times", type=int, default=1)
    options = parser.parse_args()
    target = os.environ["GATEWAY_GRPC"]
    if options.aio:
        print(json.dumps(asyncio.run(asynchronous(target, options))))
        return
    with grpc.insecure_channel(target) as channel:
        stub = LanguageModelStub(channel)
        print(json.dumps([blocking(stub, options) for _ in range(options.times)]))


if __name__ == "__main__":
    main()
