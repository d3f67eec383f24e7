"""Chats with a gateway by gRPC: TOKEN=… python examples/grpc/chat.py 127.0.0.1:8080 echo."""

import asyncio
import os
import sys

from bailiwick.llm.aio import connect, user
from bailiwick.llm.refusal import RefusedError
from bailiwick.llm.v1 import llm_pb2 as pb


async def main(target: str, alias: str) -> int:
    """Ask once for a whole answer, once for one in pieces, and say what limits are left."""
    question = pb.ChatRequest(model=alias, messages=[user("Hello by gRPC, word by word")])
    try:
        async with connect(target, token=os.environ["TOKEN"], plaintext=True) as model:
            answer = await model.chat(question, timeout=30)
            print(answer.choices[0].message.content)
            async for piece in model.stream(question, timeout=30):
                for choice in piece.choices:
                    print(choice.delta.content, end="", flush=True)
                if piece.HasField("usage"):
                    print(f"\n{piece.usage.total_tokens} tokens")
            for limit in (await model.usage()).data:
                print(f"{limit.id}: {limit.remaining} of {limit.limit} {limit.unit} left")
    except RefusedError as error:
        print(f"refused: {error}; try again after: {error.refusal.retry_after}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
