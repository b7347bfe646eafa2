"""The clients of Groq, Together, Mistral and Cohere, through Postern: only the base URL and the key differ."""

import io
import unittest

import cohere
import groq
import together
from mistralai.client import Mistral
from mistralai.client.errors import SDKError
from suite import BINARY, GREETING, HELLO, LONG, PLACEHOLDER, UNKNOWN_PLACEHOLDER, Arrivals, base_of


class Stainless:
    """Groq's and Together's clients come from one generator, and differ little."""

    def test_a_plain_call_is_answered(self):
        completion = self.client().chat.completions.create(model="sample", messages=HELLO)
        self.assertEqual(completion.choices[0].message.content, GREETING)

    def test_a_streamed_call_arrives_as_it_is_sent(self):
        arrivals = Arrivals()
        for chunk in self.client().chat.completions.create(model="sample-long", messages=HELLO, stream=True):
            if chunk.choices[0].delta.content:
                arrivals.add(chunk.choices[0].delta.content)
        self.assertEqual(arrivals.text(), LONG)
        self.assertTrue(arrivals.as_sent(), arrivals.times)

    def test_the_providers_errors_arrive_as_they_were_written(self):
        for status, kind, code in (
            (400, self.module.BadRequestError, "context_length_exceeded"),
            (401, self.module.AuthenticationError, "organization_unverified"),
            (429, self.module.RateLimitError, "rate_limit_exceeded"),
            (500, self.module.InternalServerError, None),
        ):
            with self.assertRaises(kind) as raised:
                self.client().chat.completions.create(model=f"sample-{status}", messages=HELLO)
            error = raised.exception
            self.assertEqual((error.status_code, error.body["error"]["code"]), (status, code))
            self.assertEqual(error.response.headers.get("retry-after"), "1" if status == 429 else None)
            self.assertNotIn("x-postern-error", error.response.headers)

    def test_posterns_own_refusal_is_an_authentication_error(self):
        with self.assertRaises(self.module.AuthenticationError) as raised:
            self.client(UNKNOWN_PLACEHOLDER).chat.completions.create(model="sample", messages=HELLO)
        self.assertEqual(raised.exception.response.headers["x-postern-error"], "unauthorized")
        self.assertEqual(raised.exception.body["error"]["code"], "unauthorized")


class GroqClient(Stainless, unittest.TestCase):
    module = groq

    def client(self, key=PLACEHOLDER):
        return groq.Groq(base_url=base_of("groq"), api_key=key, max_retries=0)

    def test_a_list_is_read(self):
        self.assertEqual([model.id for model in self.client().models.list().data], ["sample"])

    def test_a_recording_goes_up_whole(self):
        transcription = self.client().audio.transcriptions.create(file=("all bytes.wav", BINARY), model="sample")
        self.assertEqual(transcription.text, f"{len(BINARY)} bytes")


class TogetherClient(Stainless, unittest.TestCase):
    module = together

    def client(self, key=PLACEHOLDER):
        return together.Together(base_url=base_of("together"), api_key=key, max_retries=0)

    def test_a_file_is_listed_and_comes_down(self):
        files = self.client().files.list().data
        self.assertEqual([(file.id, file.bytes) for file in files], [("file-sample", 4096)])
        self.assertEqual(len(self.client().files.content("file-sample").read()), 4096)


class MistralClient(unittest.TestCase):
    def client(self, key=PLACEHOLDER):
        return Mistral(server_url=base_of("mistral"), api_key=key)

    def test_a_plain_call_is_answered(self):
        completion = self.client().chat.complete(model="sample", messages=HELLO)
        self.assertEqual(completion.choices[0].message.content, GREETING)

    def test_a_streamed_call_arrives_as_it_is_sent(self):
        arrivals = Arrivals()
        with self.client().chat.stream(model="sample-long", messages=HELLO) as stream:
            for event in stream:
                if event.data.choices[0].delta.content:
                    arrivals.add(event.data.choices[0].delta.content)
        self.assertEqual(arrivals.text(), LONG)
        self.assertTrue(arrivals.as_sent(), arrivals.times)

    def test_files_go_up_and_come_down_and_are_listed_in_pages(self):
        own = self.client()
        names = ["one.bin", "two.bin", "three.bin"]
        sent = [own.files.upload(file={"file_name": name, "content": BINARY}, purpose="ocr") for name in names]
        self.assertEqual([file.size_bytes for file in sent], [len(BINARY)] * 3)
        self.assertEqual(own.files.download(file_id=sent[0].id).read(), BINARY)
        pages = [own.files.list(page=page, page_size=2).data for page in (0, 1)]
        self.assertEqual([[file.filename for file in page] for page in pages], [names[:2], names[2:]])

    def test_the_providers_errors_arrive_as_they_were_written(self):
        for status, words in (
            (400, "too large for model"),
            (401, "Unauthorized"),
            (429, "Rate limit exceeded"),
            (500, "Internal server error"),
        ):
            with self.assertRaises(SDKError) as raised:
                self.client().chat.complete(model=f"sample-{status}", messages=HELLO)
            error = raised.exception
            self.assertEqual(error.status_code, status)
            self.assertIn(words, error.body)
            self.assertEqual(error.headers.get("retry-after"), "1" if status == 429 else None)
            self.assertNotIn("x-postern-error", error.headers)

    def test_posterns_own_refusal_is_told(self):
        with self.assertRaises(SDKError) as raised:
            self.client(UNKNOWN_PLACEHOLDER).models.list()
        self.assertEqual((raised.exception.status_code, raised.exception.headers["x-postern-error"]), (401, "unauthorized"))
        self.assertIn('"unauthorized"', str(raised.exception))


class CohereClient(unittest.TestCase):
    def client(self, key=PLACEHOLDER):
        return cohere.ClientV2(base_url=base_of("cohere"), api_key=key, max_retries=0)

    def test_a_plain_call_is_answered(self):
        answer = self.client().chat(model="sample", messages=HELLO)
        self.assertEqual(answer.message.content[0].text, GREETING)

    def test_a_streamed_call_arrives_as_it_is_sent(self):
        arrivals = Arrivals()
        for event in self.client().chat_stream(model="sample-long", messages=HELLO):
            if event.type == "content-delta":
                arrivals.add(event.delta.message.content.text)
        self.assertEqual(arrivals.text(), LONG)
        self.assertTrue(arrivals.as_sent(), arrivals.times)

    def test_models_are_listed_in_pages(self):
        own = self.client()
        names, token = [], None
        while True:
            page = own.models.list(page_size=2, page_token=token)
            names += [model.name for model in page.models]
            token = page.next_page_token
            if not token:
                break
        self.assertEqual(names, ["sample-a", "sample-b", "sample-c"])

    def test_a_dataset_goes_up(self):
        made = self.client().datasets.create(name="all bytes", type="embed-input", data=io.BytesIO(BINARY))
        self.assertEqual(made.id, "file-1")

    def test_the_providers_errors_arrive_as_they_were_written(self):
        for status, kind, words in (
            (400, cohere.BadRequestError, "too many tokens: 9 > 8"),
            (401, cohere.UnauthorizedError, "invalid api token"),
            (429, cohere.TooManyRequestsError, "You are past the per minute request limit"),
            (500, cohere.InternalServerError, "internal server error"),
        ):
            with self.assertRaises(kind) as raised:
                self.client().chat(model=f"sample-{status}", messages=HELLO)
            error = raised.exception
            self.assertEqual((error.status_code, error.body["message"]), (status, words))
            self.assertEqual(error.headers.get("retry-after"), "1" if status == 429 else None)
            self.assertNotIn("x-postern-error", error.headers)

    def test_posterns_own_refusal_is_an_unauthorized_error(self):
        with self.assertRaises(cohere.UnauthorizedError) as raised:
            self.client(UNKNOWN_PLACEHOLDER).models.list()
        self.assertEqual(raised.exception.body["error"]["code"], "unauthorized")
        self.assertEqual(raised.exception.headers["x-postern-error"], "unauthorized")


if __name__ == "__main__":
    unittest.main(verbosity=2)
