"""Calls the gRPC API with grpcio, as a service would."""

import asyncio
import time

import grpc
from gateway.load import Round

from bailiwick.llm.v1 import llm_pb2 as pb
from bailiwick.llm.v1 import llm_pb2_grpc


async def calls(
    port: int, token: str, request: pb.ChatRequest, *, count: int, together: int, stream: bool
) -> Round:
    """`count` calls, so many at once, over one channel."""
    metadata = (("authorization", f"Bearer {token}"),)
    seconds: list[float] = []
    failures = 0
    turn = iter(range(count))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = llm_pb2_grpc.LanguageModelStub(channel)
        await channel.channel_ready()

        async def one() -> None:
            if stream:
                async for _ in stub.ChatStream(
                    pb.ChatStreamRequest(chat=request), metadata=metadata
                ):
                    pass
            else:
                await stub.Chat(request, metadata=metadata)

        async def work() -> None:
            nonlocal failures
            for _ in turn:
                begin = time.perf_counter()
                try:
                    await one()
                except grpc.RpcError:
                    failures += 1
                seconds.append(time.perf_counter() - begin)

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(together)))
        wall = time.perf_counter() - started
    return Round(seconds=seconds, failures=failures, wall=wall)
