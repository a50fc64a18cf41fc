"""Scenes with the OpenAI SDK, named by the arguments; prints what came of each as a JSON list."""

import json
import sys

import openai

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
USER = [{"role": "user", "content": "hello"}]
CHAT_TOOL = {"type": "function", "function": {"name": "weather", "description": "x", "parameters": SCHEMA}}
TOOL = {"type": "function", "name": "weather", "description": "x", "parameters": SCHEMA, "strict": True}


def chat(client):
    answer = client.chat.completions.create(model="mock", messages=USER)
    return {"text": answer.choices[0].message.content, "total": answer.usage.total_tokens > 0}


def chat_stream(client):
    text, usage = "", None
    stream = client.chat.completions.create(
        model="mock", messages=USER, stream=True, stream_options={"include_usage": True}
    )
    for chunk in stream:
        usage = chunk.usage or usage
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
    return {"text": text, "total": usage.total_tokens > 0}


def chat_tools(client):
    messages = [{"role": "user", "content": "use the weather tool"}]
    with client.chat.completions.stream(model="mock", messages=messages, tools=[CHAT_TOOL]) as stream:
        first = stream.get_final_completion().choices[0].message
    call = first.tool_calls[0]
    messages += [
        {"role": "assistant", "content": first.content, "tool_calls": [{"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": call.function.arguments}}]},
        {"role": "tool", "tool_call_id": call.id, "content": "rain"},
    ]
    second = client.chat.completions.create(model="mock", messages=messages, tools=[CHAT_TOOL])
    return {"tool": call.function.name, "city": json.loads(call.function.arguments)["city"] != "", "text": second.choices[0].message.content}


def responses(client):
    answer = client.responses.create(model="mock", input="hello")
    return {"text": answer.output_text, "total": answer.usage.total_tokens > 0}


def responses_stream(client):
    text, last = "", None
    for event in client.responses.create(model="mock", input="hello", stream=True):
        if event.type == "response.output_text.delta":
            text += event.delta
        last = event.type
    return {"text": text, "last": last}


def responses_tools(client):
    items = [{"role": "user", "content": "use the weather tool"}]
    with client.responses.stream(model="mock", input=items, tools=[TOOL]) as stream:
        first = stream.get_final_response()
    call = next(item for item in first.output if item.type == "function_call")
    items += [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in first.output]
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": "rain"})
    second = client.responses.create(model="mock", input=items, tools=[TOOL])
    return {"tool": call.name, "city": json.loads(call.arguments)["city"] != "", "text": second.output_text}


def failure(client):
    try:
        messages = [{"role": "user", "content": "[mock status=429 retry-after=1]"}]
        client.with_options(max_retries=0).chat.completions.create(model="mock", messages=messages)
    except openai.APIStatusError as error:
        return {"error": type(error).__name__, "status": error.status_code, "retry_after": error.response.headers["retry-after"]}
    return {"error": None}


def broken(client):
    cut, errors = "[mock chunks=20 cut=6] hello", []
    for attempt in (
        lambda: list(client.chat.completions.create(model="mock", messages=[{"role": "user", "content": cut}], stream=True)),
        lambda: list(client.responses.create(model="mock", input=cut, stream=True)),
    ):
        try:
            events = attempt()
            ended = getattr(events[-1], "type", "") in ("error", "response.failed")
            errors.append("an event" if ended else None)
        except Exception as error:
            errors.append(type(error).__name__)
    return {"errors": errors}


def models(client):
    return {"models": [model.id for model in client.models.list().data]}


CLIENT = openai.OpenAI()
print(json.dumps([globals()[scene](CLIENT) for scene in sys.argv[1:]]))
