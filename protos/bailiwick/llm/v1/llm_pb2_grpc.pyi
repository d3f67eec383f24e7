# Types of the generated stubs; protoc writes none for them. A test compares names and kinds.

from collections.abc import AsyncIterator, Iterator
from typing import TypeAlias

import grpc
import grpc.aio

from bailiwick.llm.v1 import llm_pb2 as pb

_Channel: TypeAlias = grpc.Channel | grpc.aio.Channel

class LanguageModelStub:
    def __init__(self, channel: _Channel) -> None: ...
    Chat: grpc.UnaryUnaryMultiCallable[pb.ChatRequest, pb.ChatResponse]
    ChatStream: grpc.UnaryStreamMultiCallable[pb.ChatStreamRequest, pb.ChatStreamResponse]
    Embed: grpc.UnaryUnaryMultiCallable[pb.EmbedRequest, pb.EmbedResponse]
    ListModels: grpc.UnaryUnaryMultiCallable[pb.ListModelsRequest, pb.ListModelsResponse]
    GetUsage: grpc.UnaryUnaryMultiCallable[pb.GetUsageRequest, pb.GetUsageResponse]

# Its type on a grpc.aio channel; there is no such class when a program runs.
class LanguageModelAsyncStub:
    Chat: grpc.aio.UnaryUnaryMultiCallable[pb.ChatRequest, pb.ChatResponse]
    ChatStream: grpc.aio.UnaryStreamMultiCallable[pb.ChatStreamRequest, pb.ChatStreamResponse]
    Embed: grpc.aio.UnaryUnaryMultiCallable[pb.EmbedRequest, pb.EmbedResponse]
    ListModels: grpc.aio.UnaryUnaryMultiCallable[pb.ListModelsRequest, pb.ListModelsResponse]
    GetUsage: grpc.aio.UnaryUnaryMultiCallable[pb.GetUsageRequest, pb.GetUsageResponse]

class LanguageModelServicer:
    def Chat(self, request: pb.ChatRequest, context: grpc.ServicerContext) -> pb.ChatResponse: ...
    def ChatStream(
        self, request: pb.ChatStreamRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ChatStreamResponse] | AsyncIterator[pb.ChatStreamResponse]: ...
    def Embed(
        self, request: pb.EmbedRequest, context: grpc.ServicerContext
    ) -> pb.EmbedResponse: ...
    def ListModels(
        self, request: pb.ListModelsRequest, context: grpc.ServicerContext
    ) -> pb.ListModelsResponse: ...
    def GetUsage(
        self, request: pb.GetUsageRequest, context: grpc.ServicerContext
    ) -> pb.GetUsageResponse: ...

def add_LanguageModelServicer_to_server(
    servicer: LanguageModelServicer, server: grpc.Server | grpc.aio.Server
) -> None: ...
