"""Server reflection: what tools such as grpcurl ask for (grpc/grpc, doc/server-reflection.md).

v1 and v1alpha are the same bytes under two names.
"""

from collections.abc import Iterable, Sequence
from typing import Final, cast

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest as Asked
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionResponse as Answer

from bailiwick.llm.v1 import llm_pb2
from bailiwick_sidecar.llm_grpc.framing import frame
from bailiwick_sidecar.llm_grpc.rpc import Methods, Reply
from bailiwick_sidecar.llm_grpc.status import OK, Code, failure

NAMES: Final = (
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)
QUESTIONS: Final = 1000
"""Messages of one stream; a tool asks a dozen."""
# The stubs of different packages call the same class by different names.
FILES: Final = cast(
    "tuple[FileDescriptor, ...]",
    (
        llm_pb2.DESCRIPTOR,
        health_pb2.DESCRIPTOR,
        reflection_pb2.DESCRIPTOR,
        # Without it a tool shows the details of errors as bytes.
        error_details_pb2.DESCRIPTOR,
    ),
)


class Reflection:
    """What there is, from descriptors that never change."""

    def __init__(self, files: Sequence[FileDescriptor] = FILES) -> None:
        self._files: dict[str, FileDescriptor] = {}
        for file in files:
            self._add(file)
        self._pool = files[0].pool
        self._services = sorted(
            service.full_name for file in files for service in file.services_by_name.values()
        )

    def _add(self, file: FileDescriptor) -> None:
        if file.name not in self._files:
            self._files[file.name] = file
            for each in file.dependencies:
                self._add(each)

    def methods(self) -> Methods:
        """The service's methods by path."""
        return {
            f"/{name}/ServerReflectionInfo": lambda _, reply: Dialogue(self, reply)
            for name in NAMES
        }

    def answer(self, asked: Asked) -> Answer:
        """One answer to one question."""
        answer = Answer(valid_host=asked.host, original_request=asked)
        kind = asked.WhichOneof("message_request")
        if kind == "list_services":
            for name in self._services:
                answer.list_services_response.service.add(name=name)
        elif kind == "file_by_filename":
            self._file(answer, self._files.get(asked.file_by_filename))
        elif kind == "file_containing_symbol":
            self._file(answer, self._containing(asked.file_containing_symbol))
        elif kind == "all_extension_numbers_of_type":
            answer.all_extension_numbers_response.base_type_name = (
                asked.all_extension_numbers_of_type
            )
        else:
            self._file(answer, None)
        return answer

    def _containing(self, symbol: str) -> FileDescriptor | None:
        try:
            file = self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return None
        # Nothing but what is served, whatever else this process has loaded.
        return self._files.get(file.name)

    def _file(self, answer: Answer, file: FileDescriptor | None) -> None:
        if file is None:
            answer.error_response.error_code = int(Code.NOT_FOUND)
            answer.error_response.error_message = "not found"
            return
        answer.file_descriptor_response.file_descriptor_proto.extend(
            one.serialized_pb for one in _with_dependencies(file)
        )


def _with_dependencies(file: FileDescriptor) -> Iterable[FileDescriptor]:
    found: dict[str, FileDescriptor] = {}

    def walk(one: FileDescriptor) -> None:
        if one.name not in found:
            found[one.name] = one
            for each in one.dependencies:
                walk(each)

    walk(file)
    return found.values()


class Dialogue:
    """Questions and answers until the caller has no more."""

    def __init__(self, reflection: Reflection, reply: Reply) -> None:
        self._reflection = reflection
        self._reply = reply
        self._asked = 0

    def message(self, data: bytes) -> None:
        """One question."""
        self._asked += 1
        if self._asked > QUESTIONS:
            message = f"More than {QUESTIONS} questions in one stream."
            self._reply.end(failure(Code.RESOURCE_EXHAUSTED, "too_many_questions", message))
            return
        try:
            asked = Asked.FromString(data)
        except DecodeError:
            self._reply.end(failure(Code.INTERNAL, "bad_message", "The message is no question."))
            return
        self._reply.send(frame(self._reflection.answer(asked).SerializeToString()))

    def half_closed(self) -> None:
        """No more questions."""
        self._reply.end(OK)

    def gone(self) -> None:
        """Nothing is under way."""

    def writable(self, *, ready: bool) -> None:
        """Answers are bounded by the number of questions."""
