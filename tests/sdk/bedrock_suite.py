"""Amazon's client for Bedrock, through Postern: the placeholder is the access key id, any text the secret key."""

import json
import unittest

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from suite import GREETING, LONG, PLACEHOLDER, UNKNOWN_PLACEHOLDER, Arrivals, active_streams, base_of, becomes_idle

REGION = "eu-central-1"
HELLO = [{"role": "user", "content": [{"text": "hello"}]}]
# Colons and slashes in an identifier are encoded in the path, and encoded once more in the signature.
PROFILE = f"arn:aws:bedrock:{REGION}:123456789012:inference-profile/eu.sample-v1:0"


def client(key=PLACEHOLDER, **options):
    return boto3.client(
        "bedrock-runtime",
        region_name=REGION,
        endpoint_url=base_of(f"bedrock-{REGION}"),
        aws_access_key_id=key,
        aws_secret_access_key="any text",
        config=Config(retries={"total_max_attempts": 1}),
        **options,
    )


class BedrockClient(unittest.TestCase):
    def test_a_plain_call_is_answered(self):
        for model in ("sample", "sample-v1:0", PROFILE):
            answer = client().converse(modelId=model, messages=HELLO)
            self.assertEqual(answer["output"]["message"]["content"][0]["text"], GREETING)

    def test_a_session_token_of_the_client_is_not_sent_on(self):
        answer = client(aws_session_token="session-of-the-clients-own").converse(modelId="sample", messages=HELLO)
        self.assertEqual(answer["usage"]["totalTokens"], 7)

    def test_a_model_is_invoked_with_a_body_of_any_kind(self):
        body = json.dumps({"prompt": "h\u00e9llo \u2713", "n": 1}).encode()
        answer = client().invoke_model(modelId=PROFILE, body=body, contentType="application/json", accept="*/*")
        self.assertEqual(json.load(answer["body"]), {"model": PROFILE, "sent": json.loads(body)})

    def test_a_streamed_call_arrives_as_it_is_sent(self):
        arrivals = Arrivals()
        answer = client().converse_stream(modelId="sample-long", messages=HELLO)
        for event in answer["stream"]:
            if "contentBlockDelta" in event:
                arrivals.add(event["contentBlockDelta"]["delta"]["text"])
        self.assertEqual(arrivals.text(), LONG)
        self.assertEqual(event["metadata"]["usage"]["totalTokens"], 7)
        self.assertTrue(arrivals.as_sent(), arrivals.times)

    def test_the_providers_errors_arrive_as_they_were_written(self):
        own = client()
        for status, kind, message in (
            (400, own.exceptions.ValidationException, "Input is too long for requested model."),
            (403, own.exceptions.AccessDeniedException, "You don't have access to the model"),
            (429, own.exceptions.ThrottlingException, "Too many requests"),
            (500, own.exceptions.InternalServerException, "The system encountered an unexpected error"),
        ):
            with self.assertRaises(kind) as raised:
                own.converse(modelId=f"sample-{status}", messages=HELLO)
            answer = raised.exception.response
            self.assertIn(message, answer["Error"]["Message"])
            headers = answer["ResponseMetadata"]["HTTPHeaders"]
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], status)
            self.assertEqual(headers.get("retry-after"), "1" if status == 429 else None)
            self.assertNotIn("x-postern-error", headers)

    def test_the_provider_is_let_go_when_the_client_hangs_up(self):
        self.assertTrue(becomes_idle(), "an earlier stream goes on")
        stream = client().converse_stream(modelId="sample-endless", messages=HELLO)["stream"]
        events = iter(stream)
        for _ in range(3):
            next(events)
        self.assertEqual(active_streams(), 1)
        stream.close()
        self.assertTrue(becomes_idle(), "the stream goes on without a reader")

    def test_posterns_own_refusal_is_a_client_error(self):
        with self.assertRaises(ClientError) as raised:
            client(UNKNOWN_PLACEHOLDER).converse(modelId="sample", messages=HELLO)
        answer = raised.exception.response
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 401)
        self.assertEqual(answer["ResponseMetadata"]["HTTPHeaders"]["x-postern-error"], "unauthorized")
        # The client shows no message but one in AWS's form.
        self.assertEqual((answer["Error"]["Code"], answer["Error"]["Message"]), ("401", ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
