"""The official OpenAI SDK for Python with Azure OpenAI, a provider of the organization's own, through Postern."""

import unittest

import openai
from suite import GREETING, HELLO, LONG, PLACEHOLDER, UNKNOWN_PLACEHOLDER, Arrivals, base_of

VERSION = "2024-10-21"


def client(**options):
    usual = {
        "azure_endpoint": base_of("our-azure"),
        "api_key": PLACEHOLDER,
        "api_version": VERSION,
        "max_retries": 0,
        "timeout": 60,
    }
    return openai.AzureOpenAI(**{**usual, **options})


class AzureOpenAi(unittest.TestCase):
    def test_a_plain_call_is_answered(self):
        completion = client().chat.completions.create(model="sample", messages=HELLO)
        self.assertEqual(completion.choices[0].message.content, GREETING)

    def test_a_placeholder_as_an_access_token_serves_as_well(self):
        bearer = client(api_key=None, azure_ad_token=PLACEHOLDER)
        completion = bearer.chat.completions.create(model="sample", messages=HELLO)
        self.assertEqual(completion.choices[0].message.content, GREETING)

    def test_a_streamed_call_arrives_as_it_is_sent(self):
        arrivals = Arrivals()
        for chunk in client().chat.completions.create(model="sample-long", messages=HELLO, stream=True):
            if chunk.choices[0].delta.content:
                arrivals.add(chunk.choices[0].delta.content)
        self.assertEqual(arrivals.text(), LONG)
        self.assertTrue(arrivals.as_sent(), arrivals.times)

    def test_the_version_in_the_query_arrives(self):
        # Without it the sample, like Azure, knows no such resource.
        with self.assertRaises(openai.NotFoundError) as raised:
            client(api_version="").chat.completions.create(model="sample", messages=HELLO)
        self.assertNotIn("x-postern-error", raised.exception.response.headers)

    def test_the_providers_errors_arrive_as_they_were_written(self):
        for status, kind, code in (
            (400, openai.BadRequestError, "context_length_exceeded"),
            (401, openai.AuthenticationError, "organization_unverified"),
            (429, openai.RateLimitError, "rate_limit_exceeded"),
            (500, openai.InternalServerError, None),
        ):
            with self.assertRaises(kind) as raised:
                client().chat.completions.create(model=f"sample-{status}", messages=HELLO)
            error = raised.exception
            self.assertEqual(error.code, code)
            self.assertEqual(error.response.headers.get("retry-after"), "1" if status == 429 else None)
            self.assertNotIn("x-postern-error", error.response.headers)

    def test_posterns_own_refusal_is_an_authentication_error(self):
        with self.assertRaises(openai.AuthenticationError) as raised:
            client(api_key=UNKNOWN_PLACEHOLDER).chat.completions.create(model="sample", messages=HELLO)
        self.assertEqual(raised.exception.code, "unauthorized")


if __name__ == "__main__":
    unittest.main(verbosity=2)
