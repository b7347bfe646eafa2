"""The official OpenAI SDK for Python, through Postern: only the base URL and the key differ."""

import asyncio
import json
import unittest

import openai
from suite import (
    BASE_URL,
    BINARY,
    GREETING,
    HELLO,
    LONG,
    PLACEHOLDER,
    UNKNOWN_PLACEHOLDER,
    Arrivals,
    active_streams,
    base_of,
    becomes_idle,
)

BASE = base_of("openai") + "/v1"
WEATHER = [{"role": "user", "content": "What is the weather in Paris?"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"type": "string"}}},
    },
}
CALLED_WITH = {"city": "Paris", "unit": "celsius"}


def client(**options):
    usual = {"base_url": BASE, "api_key": PLACEHOLDER, "max_retries": 0, "timeout": 60}
    return openai.OpenAI(**{**usual, **options})


class OpenAiSdk(unittest.TestCase):
    def test_a_plain_call_is_answered(self):
        completion = client().chat.completions.create(model="sample", messages=HELLO)
        self.assertEqual(completion.choices[0].message.content, GREETING)
        self.assertEqual(completion.usage.total_tokens, 7)

    def test_a_list_is_read(self):
        self.assertEqual([model.id for model in client().models.list()], ["sample"])

    def test_the_address_without_an_agent_serves_as_well(self):
        bare = client(base_url=f"{BASE_URL}/api/proxy/openai/v1")
        completion = bare.chat.completions.create(model="sample", messages=HELLO)
        self.assertEqual(completion.choices[0].message.content, GREETING)

    def test_a_streamed_call_arrives_as_it_is_sent(self):
        arrivals = Arrivals()
        for chunk in client().chat.completions.create(model="sample-long", messages=HELLO, stream=True):
            if chunk.choices[0].delta.content:
                arrivals.add(chunk.choices[0].delta.content)
        self.assertEqual(arrivals.text(), LONG)
        self.assertTrue(arrivals.as_sent(), arrivals.times)

    def test_the_async_client_streams_too(self):
        async def stream():
            arrivals = Arrivals()
            async with openai.AsyncOpenAI(base_url=BASE, api_key=PLACEHOLDER, max_retries=0, timeout=60) as own:
                async for chunk in await own.chat.completions.create(
                    model="sample-long", messages=HELLO, stream=True
                ):
                    if chunk.choices[0].delta.content:
                        arrivals.add(chunk.choices[0].delta.content)
            return arrivals

        arrivals = asyncio.run(stream())
        self.assertEqual(arrivals.text(), LONG)
        self.assertTrue(arrivals.as_sent(), arrivals.times)

    def test_a_tool_call_goes_there_and_back(self):
        own = client()
        asked = own.chat.completions.create(model="sample", messages=WEATHER, tools=[TOOL])
        self.assertEqual(asked.choices[0].finish_reason, "tool_calls")
        call = asked.choices[0].message.tool_calls[0]
        self.assertEqual((call.function.name, json.loads(call.function.arguments)), ("weather", CALLED_WITH))
        result = {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}
        told = own.chat.completions.create(
            model="sample", messages=[*WEATHER, asked.choices[0].message, result], tools=[TOOL]
        )
        self.assertEqual(told.choices[0].message.content, "The tool answered: 21 degrees")

    def test_a_streamed_tool_call_goes_there_and_back(self):
        own = client()
        with own.chat.completions.stream(model="sample", messages=WEATHER, tools=[TOOL]) as stream:
            asked = stream.get_final_completion().choices[0]
        self.assertEqual(asked.finish_reason, "tool_calls")
        call = asked.message.tool_calls[0]
        self.assertEqual((call.function.name, json.loads(call.function.arguments)), ("weather", CALLED_WITH))
        asking = {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.function.name, "arguments": call.function.arguments},
                }
            ],
        }
        result = {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}
        with own.chat.completions.stream(
            model="sample", messages=[*WEATHER, asking, result], tools=[TOOL]
        ) as stream:
            told = stream.get_final_completion().choices[0]
        self.assertEqual(told.message.content, "The tool answered: 21 degrees")

    def test_a_file_goes_up_and_comes_down_byte_for_byte(self):
        own = client()
        sent = own.files.create(file=("all bytes \u00e9.bin", BINARY), purpose="user_data")
        self.assertEqual((sent.bytes, sent.purpose), (len(BINARY), "user_data"))
        self.assertEqual(own.files.content(sent.id).read(), BINARY)

    def test_files_are_listed_in_pages(self):
        own = client()
        sent = [own.files.create(file=(f"{number}.txt", b"text"), purpose="user_data").id for number in range(3)]
        page = own.files.list(limit=2)
        listed = [file.id for file in page]
        self.assertGreater(len(listed), len(page.data))
        self.assertEqual([file for file in listed if file in sent], sent)

    def test_the_providers_rate_limit_arrives_with_its_headers(self):
        with self.assertRaises(openai.RateLimitError) as raised:
            client().chat.completions.create(model="sample-429", messages=HELLO)
        error = raised.exception
        self.assertEqual((error.code, error.type), ("rate_limit_exceeded", "requests"))
        headers = error.response.headers
        self.assertEqual(headers["retry-after"], "1")
        self.assertEqual(headers["retry-after-ms"], "1000")
        self.assertEqual(headers["x-ratelimit-remaining-requests"], "0")
        self.assertEqual(error.request_id, "req_sample_429")
        self.assertNotIn("x-postern-error", headers)

    def test_the_providers_errors_arrive_as_they_were_written(self):
        for status, kind, code, message in (
            (400, openai.BadRequestError, "context_length_exceeded", "This model's maximum context length is 8 tokens."),
            (401, openai.AuthenticationError, "organization_unverified", "Your organization must be verified."),
            (500, openai.InternalServerError, None, "The server had an error."),
        ):
            for streamed in (False, True):
                with self.assertRaises(kind) as raised:
                    client().chat.completions.create(model=f"sample-{status}", messages=HELLO, stream=streamed)
                error = raised.exception
                self.assertEqual((error.code, error.body["message"]), (code, message))
                self.assertEqual(error.request_id, f"req_sample_{status}")
                self.assertNotIn("x-postern-error", error.response.headers)

    def test_the_provider_is_let_go_when_the_client_hangs_up(self):
        self.assertTrue(becomes_idle(), "an earlier stream goes on")
        stream = client().chat.completions.create(model="sample-endless", messages=HELLO, stream=True)
        for _ in range(3):
            next(stream)
        self.assertEqual(active_streams(), 1)
        stream.close()
        self.assertTrue(becomes_idle(), "the stream goes on without a reader")

    def test_posterns_own_refusal_is_an_authentication_error(self):
        with self.assertRaises(openai.AuthenticationError) as raised:
            client(api_key=UNKNOWN_PLACEHOLDER).chat.completions.create(model="sample", messages=HELLO)
        error = raised.exception
        self.assertEqual(error.code, "unauthorized")
        self.assertTrue(error.body["message"] and error.body["request_id"])
        self.assertEqual(error.response.headers["x-postern-error"], "unauthorized")


if __name__ == "__main__":
    unittest.main(verbosity=2)
