"""The chat platforms and an agent's callback address, played with the platforms' own libraries: every
click is made and signed by them, every card is checked by them, every delivery is verified by
the official verifier."""

import datetime
import hashlib
import http.server
import json
import os
import re
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import telegram
import telegram.constants
from nacl.signing import SigningKey
from slack_sdk.models.blocks import Block
from slack_sdk.signature import SignatureVerifier
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

BASE = os.environ["POSTERN_BASE_URL"]
PORT = int(os.environ["CHAT_PORT"])
TOKENS = {name: os.environ[f"TOKEN_{name.upper()}"] for name in ("slack", "telegram", "discord", "workspace")}
# Each platform's secret, and the former one that still counts while it is rotated.
SIGNER, FORMER_SIGNER = (SignatureVerifier(os.environ[f"SLACK_{which}_SECRET"]) for which in ("SIGNING", "FORMER"))
TELEGRAM_TOKEN, FORMER_TOKEN = (os.environ[f"TELEGRAM_{which}_TOKEN"] for which in ("SECRET", "FORMER"))
DISCORD_KEY, FORMER_KEY = (SigningKey(bytes.fromhex(os.environ[f"DISCORD_{which}"])) for which in ("SEED", "FORMER_SEED"))
CALLBACK_KEY = os.environ["CALLBACK_KEY"]
CALLBACK = f"http://127.0.0.2:{PORT}/callback"

USERS = {"slack": "U1", "telegram": "111", "discord": "222"}
MARKUP = "<!channel> <@U9> <http://evil.x|y> @everyone [x](http://evil.x) *b* _i_ `c` ~s~ ||sp|| & more"
OPTION = MARKUP[:75]

CALLS = []
DELIVERIES = []
# The cards that were posted: their buttons' ids, and the message that each is on.
POSTED = []


class Platforms(http.server.BaseHTTPRequestHandler):
    """All three platforms' APIs, and the callback address."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/callback":
            DELIVERIES.append(({name.lower(): value for name, value in self.headers.items()}, body))
            return {}
        body = json.loads(body)
        CALLS.append((self.path, body))
        buttons = re.findall(r'"(q:[^"]*:\d+)"', json.dumps(body))
        if self.path.startswith("/slack/"):
            message = f"1700000000.{len(CALLS):06}"
            POSTED.append((buttons, message))
            return {"ok": True, "channel": body["channel"], "ts": message}
        if self.path.startswith("/telegram/"):
            if self.path.endswith("answerCallbackQuery"):
                return {"ok": True, "result": True}
            message = len(CALLS)
            POSTED.append((buttons, message))
            return {"ok": True, "result": {"message_id": message, "chat": {"id": body["chat_id"]}}}
        message = str(10**17 + len(CALLS))
        POSTED.append((buttons, message))
        return {"id": message, "channel_id": self.path.split("/")[3]}

    def do_POST(self):
        answer = json.dumps(self.answer()).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_PATCH = do_POST

    def log_message(self, *_):
        pass


def call(method, path, body=None, headers=None):
    """Postern's answer: its status and its body, parsed where there is one."""
    request = urllib.request.Request(BASE + path, data=body, method=method, headers=headers or {})
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        text = answer.read()
        return answer.status, json.loads(text) if text else None


def agent(platform, method, path, body=None):
    headers = {"x-postern-worker-token": TOKENS[platform], "content-type": "application/json"}
    return call(method, path, json.dumps(body).encode() if body is not None else None, headers)


def card(platform):
    """The last card that was posted."""
    posts = {"slack": "/slack/chat.postMessage", "telegram": "/telegram/bot123:lib/sendMessage"}
    path = posts.get(platform, "/discord/channels/333/messages")
    return [body for at, body in CALLS if at == path][-1]


def ask(platform, interaction, **more):
    body = {"id": interaction, "kind": "question", "question": MARKUP, "options": ["Yes", OPTION, "No"]}
    body.update(more)
    return agent(platform, "POST", "/v1/interactions", body)


def posted(option, nowhere):
    """The button of an option, `{interaction}:{index}`, and the message that its newest card is on."""
    interaction, index = option.rsplit(":", 1)
    for buttons, message in reversed(POSTED):
        if any(button.split(":")[1] == interaction for button in buttons):
            return buttons[int(index)], message
    return option, nowhere


def slack_click(user, option, action_ts="1700000001.000001", at=None, signer=SIGNER, team="T1", app="A1"):
    button, message = posted(option, "1700000000.000200")
    payload = {
        "type": "block_actions", "user": {"id": user, "team_id": team}, "api_app_id": app, "team": {"id": team},
        "container": {"type": "message", "message_ts": message, "channel_id": "C1"},
        "channel": {"id": "C1"}, "message": {"ts": message},
        "actions": [{"type": "button", "action_id": button, "block_id": "b", "action_ts": action_ts}],
    }
    body = urllib.parse.urlencode({"payload": json.dumps(payload)}).encode()
    return body, slack_headers(body, at, signer)


def slack_headers(body, at=None, signer=SIGNER, content_type="application/x-www-form-urlencoded"):
    at = str(int(at or time.time()))
    return {
        "content-type": content_type,
        "X-Slack-Request-Timestamp": at,
        "X-Slack-Signature": signer.generate_signature(timestamp=at, body=body),
    }


def telegram_click(user, option, query="q1", token=TELEGRAM_TOKEN):
    button, number = posted(option, 7)
    user = telegram.User(id=int(user), first_name="Somebody", is_bot=False)
    chat = telegram.Chat(id=111, type=telegram.Chat.PRIVATE)
    message = telegram.Message(message_id=number, date=datetime.datetime.now(datetime.timezone.utc), chat=chat, text="card")
    clicked = telegram.CallbackQuery(id=query, from_user=user, chat_instance="1", message=message, data=button)
    body = telegram.Update(update_id=1, callback_query=clicked).to_json().encode()
    return body, {"content-type": "application/json", "X-Telegram-Bot-Api-Secret-Token": token}


def discord_click(user, option, interaction="5000", at=None, key=DISCORD_KEY):
    button, message = posted(option, "444")
    body = json.dumps({
        "type": 3, "version": 1, "id": interaction, "application_id": "900", "token": "t", "channel_id": "333",
        "guild_id": "1", "member": {"user": {"id": user, "username": "somebody"}},
        "message": {"id": message, "channel_id": "333"}, "data": {"custom_id": button, "component_type": 2},
    }).encode()
    return body, discord_headers(body, at, key)


def discord_headers(body, at=None, key=DISCORD_KEY):
    at = str(int(at or time.time()))
    return {
        "content-type": "application/json",
        "X-Signature-Timestamp": at,
        "X-Signature-Ed25519": key.sign(at.encode() + body).signature.hex(),
    }


CLICKS = {"slack": slack_click, "telegram": telegram_click, "discord": discord_click}


def click(platform, user, button, *more, **signed):
    body, headers = CLICKS[platform](user, button, *more, **signed)
    return call("POST", f"/webhooks/lib-{platform}", body, headers)


def slack(body, connection="lib-slack", **signed):
    """Slack's own call with this body, properly signed."""
    return call("POST", f"/webhooks/{connection}", body, slack_headers(body, **signed))


def status(platform, interaction):
    return agent(platform, "GET", f"/v1/interactions/{interaction}")[1]["status"]


def texts_of(blocks, kind):
    """Every text object of this kind: Slack reads markup in `mrkdwn`, and none in `plain_text`."""
    if isinstance(blocks, list):
        return [text for part in blocks for text in texts_of(part, kind)]
    if not isinstance(blocks, dict):
        return []
    if blocks.get("type") == kind:
        return [blocks["text"]]
    return [text for part in blocks.values() for text in texts_of(part, kind)]


def buttons(platform, posted):
    """The buttons' ids, read by the platform's library where it has a reader."""
    if platform == "slack":
        blocks = Block.parse_all(posted["blocks"])
        assert len(blocks) == len(posted["blocks"]), "a block is none of Slack's"
        for block in blocks:
            block.validate_json()
        return [element.to_dict()["action_id"] for element in blocks[-1].elements]
    if platform == "telegram":
        limits = telegram.constants.InlineKeyboardButtonLimit
        assert len(posted["text"].encode("utf-16-le")) // 2 <= telegram.constants.MessageLimit.MAX_TEXT_LENGTH
        keyboard = telegram.InlineKeyboardMarkup.de_json(posted["reply_markup"], None).inline_keyboard
        pressed = [button.callback_data for row in keyboard for button in row]
        assert all(limits.MIN_CALLBACK_DATA <= len(one.encode()) <= limits.MAX_CALLBACK_DATA for one in pressed)
        return pressed
    rows = posted["components"]
    assert len(rows) <= 5 and all(row["type"] == 1 and len(row["components"]) <= 5 for row in rows)
    return [button["custom_id"] for row in rows for button in row["components"]]


class Cards(unittest.TestCase):
    def test_cards_are_what_the_platforms_libraries_take(self):
        for platform in CLICKS:
            with self.subTest(platform):
                self.assertEqual(ask(platform, f"card-{platform}")[0], 201)
                for index, button in enumerate(buttons(platform, card(platform))):
                    self.assertRegex(button, rf"^q:card-{platform}:[A-Za-z0-9_-]{{6}}:{index}$")
                longest = {"question": "\U0001f600" * 3000, "options": ["\u00e9" * 75] * 25}
                self.assertEqual(ask(platform, f"{platform}-" + "x" * 39, **longest)[0], 201)
                self.assertEqual(len(buttons(platform, card(platform))), 25)
                tool = {"kind": "approval", "tool": "git/push", "args": {"text": MARKUP * 40}}
                self.assertEqual(ask(platform, f"tool-{platform}", **tool)[0], 201)
                self.assertEqual(len(buttons(platform, card(platform))), 4)

    def test_tenants_markup_is_no_markup(self):
        for platform in CLICKS:
            ask(platform, f"markup-{platform}")
        slack = card("slack")
        for block in slack["blocks"]:
            texts = [block.get("text"), *(element.get("text") for element in block.get("elements", []))]
            for text in texts:
                shown = json.dumps(text)
                self.assertTrue("evil" not in shown or text["type"] == "plain_text", shown)
        self.assertNotIn("<!channel>", slack["text"])
        self.assertIs(slack["mrkdwn"], False)
        posted = card("telegram")
        self.assertNotIn("parse_mode", posted)
        self.assertIn(f" UTC\n\n{MARKUP}", posted["text"])
        self.assertEqual([entity["type"] for entity in posted["entities"]], ["text_link", "blockquote"])
        posted = card("discord")
        self.assertEqual(posted["allowed_mentions"]["parse"], [])
        self.assertTrue(posted["enforce_nonce"] and len(posted["nonce"]) <= 25)
        self.is_plain_on_discord(posted["content"], MARKUP)

    def is_plain_on_discord(self, text, holds):
        """Without what is escaped, the quotation, who was asked and until when, nothing of Discord's markup is left."""
        self.assertIn(holds, re.sub(r"\\(.)", r"\1", text))
        left = re.sub(r"\\.|<@222>|<t:\d+:f>|^> ", "", text, flags=re.MULTILINE)
        self.assertFalse(set(left) & set("*_~`|<>[]()@#"), text)

    def after_a_click_on_markup(self, platform):
        """What was posted after it, and the answer to the click."""
        interaction = f"answered-{platform}"
        self.assertEqual(ask(platform, interaction)[0], 201)
        before = len(CALLS)
        answer = click(platform, USERS[platform], f"{interaction}:1", "1700000009.000009")
        self.assertEqual((answer[0], status(platform, interaction)), (200, "answered"))
        return CALLS[before:], answer[1]

    def test_nor_is_it_in_what_follows_the_answer_on_slack(self):
        posted, _ = self.after_a_click_on_markup("slack")
        self.assertEqual({path for path, _ in posted}, {"/slack/chat.postMessage", "/slack/chat.update"})
        for path, body in posted:
            asked = [] if path.endswith("postMessage") else ["<@U1>"]
            self.assertEqual(texts_of(body["blocks"], "mrkdwn"), [*asked, "<@U1> answered:"], path)
            self.assertIn(OPTION, texts_of(body["blocks"], "plain_text"), path)
            # What is shown where there is no room for blocks.
            self.assertIn("&lt;!channel&gt; &lt;@U9&gt; &lt;http://evil.x|y&gt;", body["text"])
            self.assertEqual(set(re.findall(r"<[^>]*>?", body["text"])), {"<@U1>"}, path)
            self.assertFalse(body.get("unfurl_links") or body.get("link_names") or body.get("parse") == "full")
            blocks = Block.parse_all(body["blocks"])
            for block in blocks:
                block.validate_json()
            self.assertNotIn("actions", [block.type for block in blocks])

    def test_nor_is_it_in_what_follows_the_answer_on_telegram(self):
        posted, answer = self.after_a_click_on_markup("telegram")
        methods = sorted(path.rsplit("/", 1)[1] for path, _ in posted)
        self.assertEqual((methods, answer["method"]), (["editMessageText", "sendMessage"], "answerCallbackQuery"))
        for _, body in posted:
            self.assertNotIn("parse_mode", body)
            # The person who was asked, and the question.
            self.assertEqual({entity["type"] for entity in body.get("entities", [])} - {"text_link", "blockquote"}, set())
            self.assertTrue(body["text"].endswith(f"111 answered: {OPTION}"), body)
            self.assertTrue(body["link_preview_options"]["is_disabled"])

    def test_nor_is_it_in_what_follows_the_answer_on_discord(self):
        posted, answer = self.after_a_click_on_markup("discord")
        self.assertEqual(([path for path, _ in posted], answer["type"]), (["/discord/channels/333/messages"], 7))
        shown = [(posted[0][1], posted[0][1]["content"]), (answer["data"], answer["data"]["content"])]
        for body, text in shown:
            self.assertEqual(body["allowed_mentions"]["parse"], [])
            self.is_plain_on_discord(text, f"<@222> answered: {OPTION}")


class Clicks(unittest.TestCase):
    def test_a_click_of_the_asked_answers_and_nobody_elses_does(self):
        for platform in CLICKS:
            with self.subTest(platform):
                interaction = f"click-{platform}"
                ask(platform, interaction)
                strangers = {"slack": "U2", "telegram": "112", "discord": "223"}
                nothing = {
                    "slack": None,
                    "telegram": {"method": "answerCallbackQuery", "callback_query_id": "stranger"},
                    "discord": {"type": 6},
                }
                more = {"slack": (), "telegram": ("stranger",), "discord": ("1",)}[platform]
                answer = click(platform, strangers[platform], f"{interaction}:0", *more)
                self.assertEqual(answer, (200, nothing[platform]))
                self.assertEqual(agent(platform, "GET", f"/v1/interactions/{interaction}")[1]["status"], "pending")

                body, headers = CLICKS[platform](USERS[platform], f"{interaction}:2")
                status, answer = call("POST", f"/webhooks/lib-{platform}", body, headers)
                self.assertEqual(status, 200)
                if platform == "telegram":
                    self.assertEqual(answer, {"method": "answerCallbackQuery", "callback_query_id": "q1"})
                elif platform == "discord":
                    self.assertEqual((answer["type"], answer["data"]["components"]), (7, []))
                else:
                    self.assertIsNone(answer)
                read = agent(platform, "GET", f"/v1/interactions/{interaction}")[1]
                self.assertEqual((read["status"], read["answer"]["index"]), ("answered", 2))
                self.assertEqual((read["answer"]["value"], read["answer"]["user_id"]), ("No", USERS[platform]))

                retried = {**headers, "X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"}
                self.assertEqual(call("POST", f"/webhooks/lib-{platform}", body, retried)[0], 200)
                self.assertEqual(agent(platform, "GET", f"/v1/interactions/{interaction}")[1], read)

    def test_discords_ping_is_answered(self):
        body = json.dumps({"type": 1, "id": "1", "version": 1}).encode()
        self.assertEqual(call("POST", "/webhooks/lib-discord", body, discord_headers(body)), (200, {"type": 1}))

    def test_slacks_own_checks_are_answered_where_they_are_signed(self):
        challenge = json.dumps({"type": "url_verification", "token": "t", "challenge": "abc"}).encode()
        self.assertEqual(slack(challenge, content_type="application/json"), (200, {"challenge": "abc"}))
        check = urllib.parse.urlencode({"ssl_check": "1", "token": "t"}).encode()
        self.assertEqual(slack(check), (200, None))
        status, answer = slack(b"payload=%7B")
        self.assertEqual((status, answer["error"]["code"]), (400, "invalid_json"))
        for body, kind in ((check, "application/x-www-form-urlencoded"), (challenge, "application/json")):
            status, answer = call("POST", "/webhooks/lib-slack", body, {"content-type": kind})
            self.assertEqual((status, answer["error"]["code"]), (401, "invalid_signature"), body)

    def test_a_payload_of_another_workspace_or_app_is_refused_though_its_signature_is_right(self):
        self.assertEqual(ask("workspace", "workspace-1")[0], 201)
        for foreign in ({"team": "T2"}, {"app": "A2"}, {"team": None}):
            body, headers = slack_click("U1", "workspace-1:0", **foreign)
            answered, answer = call("POST", "/webhooks/lib-workspace", body, headers)
            self.assertEqual((answered, answer["error"]["code"]), (401, "invalid_signature"), foreign)
        self.assertEqual(status("workspace", "workspace-1"), "pending")
        body, headers = slack_click("U1", "workspace-1:0")
        self.assertEqual(call("POST", "/webhooks/lib-workspace", body, headers)[0], 200)
        self.assertEqual(status("workspace", "workspace-1"), "answered")

    def test_a_former_secret_still_counts_while_it_is_rotated(self):
        former = {"slack": {"signer": FORMER_SIGNER}, "telegram": {"token": FORMER_TOKEN}, "discord": {"key": FORMER_KEY}}
        for platform, signed in former.items():
            with self.subTest(platform):
                ask(platform, f"former-{platform}")
                answer = click(platform, USERS[platform], f"former-{platform}:0", "1700000010.000001", **signed)
                self.assertEqual((answer[0], status(platform, f"former-{platform}")), (200, "answered"))

    def test_a_signed_time_may_be_five_minutes_off_and_no_more(self):
        for platform in ("slack", "discord"):
            for off in (-310, 310, -299, 299):
                with self.subTest((platform, off)):
                    interaction = f"off-{platform}-{off}"
                    ask(platform, interaction)
                    # The clock moves while a call is on its way; one that was slow proves nothing.
                    for attempt in range(10):
                        now = time.time()
                        button = f"{interaction}:0"
                        answered = click(platform, USERS[platform], button, f"17{attempt}.{off}", at=now + off)
                        if time.time() - now < 1:
                            break
                    taken = (200, "answered") if abs(off) < 300 else (401, "pending")
                    self.assertEqual((answered[0], status(platform, interaction)), taken)

    def test_what_the_platform_did_not_sign_is_refused(self):
        forged = []
        for platform in ("slack", "discord"):
            make = CLICKS[platform]
            body, headers = make(USERS[platform], "x:0")
            resigned = {
                "slack": slack_headers(body, signer=SignatureVerifier("another")),
                "discord": discord_headers(body, key=SigningKey.generate()),
            }[platform]
            forged += [
                (platform, body + b" ", headers),
                (platform, body[:-1], headers),
                (platform, b"", headers),
                (platform, body, resigned),
                *((platform, body, {name: v for name, v in headers.items() if name != left}) for left in headers if left != "content-type"),
            ]
        body, headers = telegram_click("111", "x:0")
        for token in (None, "", "Wrong", TELEGRAM_TOKEN + "x", TELEGRAM_TOKEN.lower()):
            own = {name: v for name, v in headers.items() if not name.startswith("X-Telegram")}
            if token is not None:
                own["X-Telegram-Bot-Api-Secret-Token"] = token
            forged.append(("telegram", body, own))
        self.assertGreater(len(forged), 16)
        for platform, body, headers in forged:
            status, answer = call("POST", f"/webhooks/lib-{platform}", body, headers)
            self.assertEqual((status, answer["error"]["code"]), (401, "invalid_signature"), (platform, headers))


class Outcomes(unittest.TestCase):
    def delivered(self, interaction):
        found = [one for one in DELIVERIES if json.loads(one[1])["data"]["id"] == interaction]
        self.assertEqual(len(found), 1)
        return found[0]

    def test_an_answer_is_delivered_as_the_official_verifier_wants_it(self):
        for platform in CLICKS:
            with self.subTest(platform):
                interaction = f"callback-{platform}"
                self.assertEqual(ask(platform, interaction, callback_url=CALLBACK)[0], 201)
                click(platform, USERS[platform], f"{interaction}:0", *([] if platform == "slack" else [f"77{platform}"]))
                headers, body = self.delivered(interaction)
                verified = Webhook(CALLBACK_KEY).verify(body, headers)
                read = agent(platform, "GET", f"/v1/interactions/{interaction}")[1]
                self.assertEqual(verified["type"], "interaction.answered")
                self.assertEqual(verified["data"], {"id": interaction, "status": "answered", "answer": read["answer"]})

    def test_what_was_tampered_with_or_is_old_does_not_verify(self):
        ask("slack", "tampered", callback_url=CALLBACK)
        click("slack", "U1", "tampered:0")
        headers, body = self.delivered("tampered")
        verifier = Webhook(CALLBACK_KEY)
        verifier.verify(body, headers)
        old = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=6)
        aged = {
            **headers,
            "webhook-timestamp": str(int(old.timestamp())),
            "webhook-signature": verifier.sign(headers["webhook-id"], old, body.decode()),
        }
        wrong = [
            (body.replace(b"Yes", b"No!"), headers),
            (body, {**headers, "webhook-id": headers["webhook-id"] + "0"}),
            (body, {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}),
            (body, {**headers, "webhook-signature": "v1,AAAA"}),
            (body, aged),
        ]
        for body, headers in wrong:
            with self.assertRaises(WebhookVerificationError):
                verifier.verify(body, headers)

    def test_a_withdrawal_is_an_outcome(self):
        ask("discord", "withdrawn", callback_url=CALLBACK)
        self.assertEqual(agent("discord", "DELETE", "/v1/interactions/withdrawn")[0], 204)
        headers, body = self.delivered("withdrawn")
        verified = Webhook(CALLBACK_KEY).verify(body, headers)
        self.assertEqual((verified["type"], verified["data"]["status"]), ("interaction.withdrawn", "withdrawn"))

    def test_an_approval_is_bound_to_what_was_shown(self):
        args = {"b": [1, True, None], "a": "\u20ac <!channel>", "n": -7}
        ask("telegram", "approved", kind="approval", tool="github/create_issue", args=args)
        click("telegram", "111", "approved:0", "approve")
        answer = agent("telegram", "GET", "/v1/interactions/approved")[1]["answer"]
        canonical = json.dumps({"tool": "github/create_issue", "args": args}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        self.assertEqual((answer["value"], answer["digest"]), ("1h", hashlib.sha256(canonical.encode()).hexdigest()))
        pattern = urllib.parse.quote("/mcp/github/tools/create_issue", safe="")
        self.assertEqual(agent("telegram", "GET", f"/v1/grants?pattern={pattern}")[1]["status"], "allowed")


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.2", PORT), Platforms)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    unittest.main(verbosity=0)
