"""LiteLLM, in the forms of three providers, through Postern: only the base URL and the key differ."""

import os
import unittest

# Otherwise it fetches its list of prices when it is imported.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # noqa: E402
from suite import GREETING, HELLO, LONG, PLACEHOLDER, UNKNOWN_PLACEHOLDER, Arrivals, base_of  # noqa: E402

litellm.suppress_debug_info = True

BASES = {
    "openai": base_of("openai") + "/v1",
    "anthropic": base_of("anthropic"),
    "gemini": base_of("gemini") + "/v1beta",
}


def completion(form, model="sample", key=PLACEHOLDER, **options):
    return litellm.completion(
        model=f"{form}/{model}",
        api_base=BASES[form],
        api_key=key,
        messages=HELLO,
        max_retries=0,
        num_retries=0,
        **options,
    )


class LiteLlm(unittest.TestCase):
    def test_a_plain_call_is_answered(self):
        for form in BASES:
            with self.subTest(form):
                answer = completion(form)
                self.assertEqual(answer.choices[0].message.content, GREETING)
                self.assertEqual(answer.usage.total_tokens, 7)

    def test_azure_and_bedrock_are_called_in_their_own_forms(self):
        azure = {"api_base": base_of("our-azure"), "api_key": PLACEHOLDER, "api_version": "2024-10-21"}
        bedrock = {
            "aws_bedrock_runtime_endpoint": base_of("bedrock-eu-central-1"),
            "aws_region_name": "eu-central-1",
            "aws_access_key_id": PLACEHOLDER,
            "aws_secret_access_key": "any text",
        }
        for model, options in (("azure/sample", azure), ("bedrock/converse/sample", bedrock)):
            with self.subTest(model):
                answer = litellm.completion(model=model, messages=HELLO, num_retries=0, **options)
                self.assertEqual(answer.choices[0].message.content, GREETING)

    def test_a_streamed_call_arrives_as_it_is_sent(self):
        for form in BASES:
            with self.subTest(form):
                arrivals = Arrivals()
                for chunk in completion(form, "sample-long", stream=True):
                    if chunk.choices[0].delta.content:
                        arrivals.add(chunk.choices[0].delta.content)
                self.assertEqual(arrivals.text(), LONG)
                self.assertTrue(arrivals.as_sent(), arrivals.times)

    def test_the_providers_errors_arrive_as_they_were_written(self):
        for form, words in (
            ("openai", ("maximum context length", "must be verified", "Rate limit reached", "had an error")),
            ("anthropic", ("prompt is too long", "has been disabled", "rate limit", "Internal server error")),
            ("gemini", ("exceeds the maximum", "invalid authentication", "exceeded your current quota", "internal error")),
        ):
            kinds = (
                (400, litellm.BadRequestError),
                (401, litellm.AuthenticationError),
                (429, litellm.RateLimitError),
                (500, litellm.InternalServerError),
            )
            for (status, kind), said in zip(kinds, words, strict=True):
                with self.subTest(form, status=status):
                    with self.assertRaises(kind) as raised:
                        completion(form, f"sample-{status}")
                    self.assertIn(said, str(raised.exception))

    def test_posterns_own_refusal_is_an_authentication_error(self):
        for form in BASES:
            with self.subTest(form):
                with self.assertRaises(litellm.AuthenticationError) as raised:
                    completion(form, key=UNKNOWN_PLACEHOLDER)
                self.assertIn("the placeholder is not valid here", str(raised.exception))


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
