"""Calls the namespace's gateway through the openai package; prints what came as one JSON line.

python call.py MODEL [--stream] [--times N]
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import openai

TOKEN = Path("/var/run/secrets/bailiwick/token")


def call(client: openai.OpenAI, *, model: str, stream: bool) -> dict[str, Any]:
    """One call: the answer's text, model and usage, or the refusal."""
    asked: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": '{"tokens": 7}'}],
        "max_tokens": 16,
    }
    try:
        if not stream:
            answer = client.chat.completions.create(**asked)
            usage = answer.usage.model_dump() if answer.usage else {}
            text = answer.choices[0].message.content
            return {"status": 200, "text": text, "model": answer.model, "usage": usage}
        text, served, usage = "", "", {}
        asked["stream_options"] = {"include_usage": True}
        for event in client.chat.completions.create(stream=True, **asked):
            served = event.model
            text += "".join(choice.delta.content or "" for choice in event.choices)
            usage = event.usage.model_dump() if event.usage else usage
    except openai.APIStatusError as error:
        return {
            "status": error.status_code,
            "code": error.code,
            "message": error.message,
            "retry_after": error.response.headers.get("retry-after", ""),
        }
    except openai.APIConnectionError as error:
        return {"status": 0, "message": f"{error} ({error.__cause__})"}
    return {"status": 200, "text": text, "model": served, "usage": usage}


def main() -> None:
    """Call as often as told."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("model")
    options.add_argument("--stream", action="store_true")
    options.add_argument("--times", type=int, default=1)
    chosen = options.parse_args()
    with openai.OpenAI(
        base_url=os.environ["GATEWAY_URL"],
        api_key=TOKEN.read_text().strip(),
        max_retries=0,
        timeout=30,
    ) as client:
        print(
            json.dumps(
                [
                    call(client, model=chosen.model, stream=chosen.stream)
                    for _ in range(chosen.times)
                ]
            )
        )


if __name__ == "__main__":
    main()
