"""Version 1 of the API. `llm_pb2` and `llm_pb2_grpc` are generated from llm.proto."""
