"""Scenes with the Anthropic SDK, named by the arguments; prints what came of each as a JSON list."""

import json
import sys

import anthropic

DONE = [{"role": "user", "content": "hello"}]
TOOL = {
    "name": "weather",
    "description": "Tells the weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
BASE = {"model": "claude-opus-5-5", "max_tokens": 100, "messages": DONE}


def text(message):
    return "".join(block.text for block in message.content if block.type == "text")


def whole(client):
    raw = client.messages.with_raw_response.create(**BASE)
    message = raw.parse()
    return {
        "text": text(message),
        "request_id": message._request_id,
        "remaining": raw.headers.get("anthropic-ratelimit-requests-remaining"),
    }


def stream(client):
    with client.messages.stream(**BASE) as events:
        pieces = list(events.text_stream)
        message = events.get_final_message()
    return {"text": text(message), "pieces": len(pieces), "output": message.usage.output_tokens}


def tools(client):
    ask = {**BASE, "tools": [TOOL], "thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}
    with client.messages.stream(**ask) as events:
        first = events.get_final_message()
    call = next(block for block in first.content if block.type == "tool_use")
    thinking = next(block for block in first.content if block.type == "thinking")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "rain – ☔"}
    ask["messages"] = DONE + [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [result]},
    ]
    with client.messages.stream(**ask) as events:
        second = events.get_final_message()
    return {
        "text": text(second),
        "input": call.input,
        "signature": thinking.signature,
        "thinking": thinking.thinking,
        "reason": first.stop_reason,
    }


def others(client):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": IMAGE}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "what"}, image]}]
    count = client.messages.count_tokens(model=BASE["model"], messages=messages)
    models = client.models.list()
    beta = client.beta.messages.create(
        **{**BASE, "messages": messages}, betas=["a-beta-2026-01-01"], extra_body={"a_key_nobody_knows": {"x": [1.0, []]}}
    )
    return {"count": count.input_tokens, "models": [model.id for model in models.data], "text": text(beta)}


def failure(client):
    try:
        client.with_options(max_retries=0).messages.create(**BASE)
    except anthropic.APIStatusError as error:
        return {
            "error": type(error).__name__,
            "status": error.status_code,
            "message": error.body["error"]["message"],
            "request_id": error.request_id,
            "retry_after": error.response.headers.get("retry-after"),
        }
    return {"error": None}


def failures(client):
    return [failure(client) for _ in range(4)]


def broken_once(client):
    got = []
    try:
        with client.with_options(max_retries=0).messages.stream(**BASE) as events:
            for piece in events.text_stream:
                got.append(piece)
    except Exception as error:
        return {"error": type(error).__name__, "text": "".join(got)}
    return {"error": None, "text": "".join(got)}


def broken(client):
    return [broken_once(client) for _ in range(5)]


def leave(client):
    with client.messages.stream(**BASE) as events:
        for piece in events.text_stream:
            return {"text": piece}


CLIENT = anthropic.Anthropic()
print(json.dumps([globals()[scene](CLIENT) for scene in sys.argv[1:]]))
