"""The official Anthropic SDK for Python, through Postern: only the base URL and the key differ."""

import asyncio
import unittest

import anthropic
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

BASE = base_of("anthropic")
WEATHER = [{"role": "user", "content": "What is the weather in Paris?"}]
TOOL = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"type": "string"}}},
}
CALLED_WITH = {"city": "Paris", "unit": "celsius"}


def client(**options):
    usual = {"base_url": BASE, "api_key": PLACEHOLDER, "max_retries": 0, "timeout": 60}
    return anthropic.Anthropic(**{**usual, **options})


def request(model="sample", messages=HELLO, **more):
    return {"model": model, "max_tokens": 64, "messages": messages, **more}


def answered(asked):
    """The conversation with the tool's answer to what was asked for."""
    result = {"type": "tool_result", "tool_use_id": asked.content[0].id, "content": "21 degrees"}
    return [*WEATHER, {"role": "assistant", "content": asked.content}, {"role": "user", "content": [result]}]


class AnthropicSdk(unittest.TestCase):
    def test_a_plain_call_is_answered(self):
        message = client().messages.create(**request())
        self.assertEqual((message.content[0].text, message.stop_reason), (GREETING, "end_turn"))

    def test_the_address_without_an_agent_serves_as_well(self):
        message = client(base_url=f"{BASE_URL}/api/proxy/anthropic").messages.create(**request())
        self.assertEqual(message.content[0].text, GREETING)

    def test_a_placeholder_as_an_auth_token_serves_as_well(self):
        bearer = anthropic.Anthropic(base_url=BASE, auth_token=PLACEHOLDER, max_retries=0, timeout=60)
        self.assertEqual(bearer.messages.create(**request()).content[0].text, GREETING)

    def test_a_login_of_the_clients_own_beside_the_placeholder_is_dropped(self):
        both = client(api_key=None, auth_token="sk-ant-oat01-of-the-clients-own", default_headers={"x-api-key": PLACEHOLDER})
        self.assertEqual(both.messages.create(**request()).content[0].text, GREETING)

    def test_a_streamed_call_arrives_as_it_is_sent(self):
        arrivals = Arrivals()
        with client().messages.stream(**request("sample-long")) as stream:
            for text in stream.text_stream:
                arrivals.add(text)
            final = stream.get_final_message()
        self.assertEqual(arrivals.text(), LONG)
        self.assertEqual((final.content[0].text, final.stop_reason), (arrivals.text(), "end_turn"))
        self.assertTrue(arrivals.as_sent(), arrivals.times)

    def test_the_async_client_streams_too(self):
        async def stream():
            arrivals = Arrivals()
            async with anthropic.AsyncAnthropic(base_url=BASE, api_key=PLACEHOLDER, max_retries=0, timeout=60) as own:
                async with own.messages.stream(**request("sample-long")) as stream:
                    async for text in stream.text_stream:
                        arrivals.add(text)
            return arrivals

        arrivals = asyncio.run(stream())
        self.assertEqual(arrivals.text(), LONG)
        self.assertTrue(arrivals.as_sent(), arrivals.times)

    def test_a_tool_call_goes_there_and_back(self):
        own = client()
        asked = own.messages.create(**request(messages=WEATHER, tools=[TOOL]))
        self.assertEqual(asked.stop_reason, "tool_use")
        self.assertEqual((asked.content[0].name, asked.content[0].input), ("weather", CALLED_WITH))
        told = own.messages.create(**request(messages=answered(asked), tools=[TOOL]))
        self.assertEqual(told.content[0].text, "The tool answered: 21 degrees")

    def test_a_streamed_tool_call_goes_there_and_back(self):
        own = client()
        parts = []
        with own.messages.stream(**request(messages=WEATHER, tools=[TOOL])) as stream:
            for event in stream:
                if event.type == "input_json":
                    parts.append(event.partial_json)
            asked = stream.get_final_message()
        self.assertGreater(len(parts), 2)
        self.assertEqual(asked.stop_reason, "tool_use")
        self.assertEqual((asked.content[0].name, asked.content[0].input), ("weather", CALLED_WITH))
        with own.messages.stream(**request(messages=answered(asked), tools=[TOOL])) as stream:
            self.assertEqual(stream.get_final_text(), "The tool answered: 21 degrees")

    def test_a_file_goes_up_and_comes_down_byte_for_byte(self):
        own = client()
        sent = own.beta.files.upload(file=("all bytes.bin", BINARY, "application/octet-stream"))
        self.assertEqual((sent.size_bytes, sent.filename), (len(BINARY), "all bytes.bin"))
        self.assertEqual(own.beta.files.download(sent.id).read(), BINARY)

    def test_models_are_listed_in_pages(self):
        page = client().models.list(limit=2)
        self.assertEqual(len(page.data), 2)
        self.assertEqual([model.id for model in page], ["sample-a", "sample-b", "sample-c"])

    def test_the_providers_rate_limit_arrives_with_its_headers(self):
        with self.assertRaises(anthropic.RateLimitError) as raised:
            client().messages.create(**request("sample-429"))
        error = raised.exception
        self.assertEqual(error.type, "rate_limit_error")
        headers = error.response.headers
        self.assertEqual(headers["retry-after"], "1")
        self.assertEqual(headers["anthropic-ratelimit-requests-remaining"], "0")
        self.assertEqual(headers["x-request-id"], "req_sample_429")
        self.assertEqual(error.request_id, "req_sample_429")
        self.assertNotIn("x-postern-error", headers)

    def test_the_providers_errors_arrive_as_they_were_written(self):
        for status, kind, name, message in (
            (400, anthropic.BadRequestError, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"),
            (401, anthropic.AuthenticationError, "authentication_error", "This organization has been disabled."),
            (500, anthropic.InternalServerError, "api_error", "Internal server error"),
            (529, anthropic.InternalServerError, "overloaded_error", "Overloaded"),
        ):
            for streamed in (False, True):
                with self.assertRaises(kind) as raised:
                    client().messages.create(**request(f"sample-{status}"), stream=streamed)
                error = raised.exception
                self.assertEqual(error.body["error"], {"type": name, "message": message})
                self.assertEqual(error.request_id, f"req_sample_{status}")
                self.assertNotIn("x-postern-error", error.response.headers)

    def test_the_provider_is_let_go_when_the_client_hangs_up(self):
        self.assertTrue(becomes_idle(), "an earlier stream goes on")
        stream = client().messages.create(**request("sample-endless"), stream=True)
        for _ in range(5):
            next(stream)
        self.assertEqual(active_streams(), 1)
        stream.close()
        self.assertTrue(becomes_idle(), "the stream goes on without a reader")

    def test_posterns_own_refusal_is_an_authentication_error(self):
        with self.assertRaises(anthropic.AuthenticationError) as raised:
            client(api_key=UNKNOWN_PLACEHOLDER).messages.create(**request())
        error = raised.exception
        self.assertEqual(error.body["error"]["code"], "unauthorized")
        self.assertTrue(error.body["error"]["message"] and error.body["error"]["request_id"])
        self.assertEqual(error.response.headers["x-postern-error"], "unauthorized")


if __name__ == "__main__":
    unittest.main(verbosity=2)
