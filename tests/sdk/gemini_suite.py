"""Google's client for Gemini, through Postern: only the base URL and the key differ."""

import io
import json
import unittest
import urllib.request

from google import genai
from google.genai import errors
from suite import (
    BINARY,
    GREETING,
    LONG,
    PLACEHOLDER,
    UNKNOWN_PLACEHOLDER,
    Arrivals,
    active_streams,
    base_of,
    becomes_idle,
)


def client(key=PLACEHOLDER, **options):
    return genai.Client(api_key=key, http_options={"base_url": base_of("gemini"), **options})


class GeminiClient(unittest.TestCase):
    def test_a_plain_call_is_answered(self):
        own = client()
        answer = own.models.generate_content(model="sample", contents="hello")
        self.assertEqual((answer.text, answer.usage_metadata.total_token_count), (GREETING, 7))

    def test_a_streamed_call_arrives_as_it_is_sent(self):
        arrivals = Arrivals()
        own = client()
        for chunk in own.models.generate_content_stream(model="sample-long", contents="hello"):
            arrivals.add(chunk.text)
        self.assertEqual(arrivals.text(), LONG)
        self.assertTrue(arrivals.as_sent(), arrivals.times)

    def test_models_are_listed_in_pages(self):
        own = client()
        page = own.models.list(config={"page_size": 2})
        self.assertEqual(len(page), 2)
        self.assertEqual([model.name for model in page], [f"models/sample-{name}" for name in "abc"])

    def test_files_go_up_resumably_come_down_and_are_listed_in_pages(self):
        own = client()
        large = BINARY * 3
        sent = own.files.upload(
            file=io.BytesIO(large), config={"mime_type": "application/octet-stream", "display_name": "all bytes"}
        )
        self.assertEqual((sent.size_bytes, sent.display_name), (len(large), "all bytes"))
        self.assertEqual(own.files.download(file=sent.name), large)
        for _ in range(2):
            own.files.upload(file=io.BytesIO(BINARY), config={"mime_type": "application/octet-stream"})
        page = own.files.list(config={"page_size": 2})
        self.assertEqual(len(page), 2)
        self.assertEqual([file.size_bytes for file in page], [len(large), len(BINARY), len(BINARY)])

    def test_the_key_in_the_query_serves_as_well_and_a_key_of_the_clients_own_is_dropped(self):
        body = json.dumps({"contents": [{"parts": [{"text": "hello"}]}]}).encode()
        for key, headers in ((PLACEHOLDER, {}), ("key-of-the-clients-own", {"x-goog-api-key": PLACEHOLDER})):
            address = f"{base_of('gemini')}/v1beta/models/sample:generateContent?alt=json&key={key}"
            request = urllib.request.Request(address, body, {"content-type": "application/json", **headers})
            with urllib.request.urlopen(request, timeout=60) as answer:
                said = json.load(answer)["candidates"][0]["content"]["parts"][0]["text"]
            self.assertEqual(said, GREETING)

    def test_the_providers_errors_arrive_as_they_were_written(self):
        for status, kind, name in (
            (400, errors.ClientError, "INVALID_ARGUMENT"),
            (401, errors.ClientError, "UNAUTHENTICATED"),
            (429, errors.ClientError, "RESOURCE_EXHAUSTED"),
            (500, errors.ServerError, "INTERNAL"),
        ):
            own = client()
            with self.assertRaises(kind) as raised:
                own.models.generate_content(model=f"sample-{status}", contents="hello")
            error = raised.exception
            self.assertEqual((error.code, error.status), (status, name))
            self.assertEqual(error.response.headers.get("retry-after"), "1" if status == 429 else None)
            self.assertNotIn("x-postern-error", error.response.headers)

    def test_the_provider_is_let_go_when_the_client_hangs_up(self):
        self.assertTrue(becomes_idle(), "an earlier stream goes on")
        own = client()
        stream = own.models.generate_content_stream(model="sample-endless", contents="hello")
        for _ in range(3):
            next(stream)
        self.assertEqual(active_streams(), 1)
        stream.close()
        own.close()
        self.assertTrue(becomes_idle(), "the stream goes on without a reader")

    def test_posterns_own_refusal_is_a_client_error(self):
        own = client(UNKNOWN_PLACEHOLDER)
        with self.assertRaises(errors.ClientError) as raised:
            own.models.generate_content(model="sample", contents="hello")
        error = raised.exception
        self.assertEqual((error.code, error.details["error"]["code"]), (401, "unauthorized"))
        self.assertEqual(error.response.headers["x-postern-error"], "unauthorized")


if __name__ == "__main__":
    unittest.main(verbosity=2)
