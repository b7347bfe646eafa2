#!/usr/bin/python3
"""Makes the pictures of docs/chat.md from the messages beside this file.

Each message, such as slack-long.json, is the body of a call that Postern makes; a test of `postern::chat` holds that.
It is drawn as HTML in the look of its platform and photographed by Chromium. A picture names the message that it
shows by its hash, which a test compares.

Needs Chromium, Pillow and the font Inter (Debian: chromium, python3-pil, fonts-inter). Takes names of messages, or makes all pictures.
"""

import hashlib
import html
import json
import pathlib
import re
import subprocess
import sys
import tempfile
from datetime import datetime, timezone

from PIL import Image, ImageChops, PngImagePlugin

HERE = pathlib.Path(__file__).resolve().parent
PEOPLE = {"U0ANA": "ana", "222": "ana"}
WIDTH, SCALE = 560, 1.25
# The colour of the page below a message, which no message has.
BELOW = "#ff00ff"
esc = html.escape


def moment(seconds):
    """A time as its parts; the reader of the pictures lives in UTC."""
    time = datetime.fromtimestamp(int(seconds), timezone.utc)
    clock = f"{time.hour % 12 or 12}:{time.minute:02} {'AM' if time.hour < 12 else 'PM'}"
    return time, clock


# Slack


def slack(body):
    return f"""<div class="slack message"><div class="avatar">P</div><div class="column">
        <div class="head"><b>Postern</b><span class="app">APP</span><span class="time">9:41 AM</span></div>
        {''.join(slack_block(block) for block in body['blocks'])}</div></div>"""


def slack_block(block):
    kind = block["type"]
    if kind == "context":
        return '<div class="context">' + " ".join(slack_text(one) for one in block["elements"]) + "</div>"
    if kind == "section":
        # Slack folds by height. So much is about what it leaves in a window of usual width.
        text, folded = block["text"]["text"], block["text"]["text"][:700]
        if text == folded:
            return f'<div class="section">{slack_text(block["text"])}</div>'
        folded = folded.rsplit(" ", 1)[0]
        return f'<div class="section">{esc(folded)}…<div class="more">See more</div></div>'
    if kind == "rich_text":
        (code,) = block["elements"]
        assert code["type"] == "rich_text_preformatted"
        return f'<pre>{esc("".join(one["text"] for one in code["elements"]))}</pre>'
    assert kind == "actions", kind
    return '<div class="actions">' + "".join(f'<button>{slack_text(one["text"])}</button>' for one in block["elements"]) + "</div>"


def slack_text(text):
    if text["type"] == "plain_text":
        return f'<span>{esc(text["text"])}</span>'
    assert text["type"] == "mrkdwn", text
    out = []
    for part in re.split(r"(<[^>]*>)", text["text"]):
        if part.startswith("<@"):
            out.append(f'<span class="mention">@{PEOPLE[part[2:-1]]}</span>')
        elif part.startswith("<!date^"):
            time, clock = moment(part.split("^")[1])
            out.append(f"{time:%b} {time.day}, {time.year} {clock}")
        else:
            out.append(esc(html.unescape(part)))
    return f'<span>{"".join(out)}</span>'


# Telegram


def telegram(body):
    text = body["text"].encode("utf-16-le")
    piece = lambda start, end: esc(text[2 * start : 2 * end].decode("utf-16-le"))
    out, at = [], 0
    for entity in body.get("entities", []):
        start, end = entity["offset"], entity["offset"] + entity["length"]
        out.append(piece(at, start))
        inner = piece(start, end)
        if entity["type"] == "text_link":
            out.append(f'<span class="link">{inner}</span>')
        elif entity["type"] == "pre":
            out.append(f'<div class="code"><div class="language">{esc(entity["language"])}</div><pre>{inner}</pre></div>')
        elif entity["type"] == "blockquote":
            out.append(f'<div class="quote"><div>{inner}</div></div>')
        else:
            assert entity["type"] == "expandable_blockquote", entity
            out.append(f'<div class="quote"><div class="folded">{inner}</div><div class="chevron">⌄</div></div>')
        at = end
    out.append(piece(at, len(text) // 2))
    rows = body.get("reply_markup", {}).get("inline_keyboard", [])
    rows = "".join('<div class="row">' + "".join(f"<button>{esc(one['text'])}</button>" for one in row) + "</div>" for row in rows)
    # A block ends its line.
    drawn = re.sub(r"(</div></div>|</pre></div>)\n", r"\1", "".join(out))
    return f"""<div class="telegram"><div class="bubble"><div class="name">Postern</div><div class="text">{drawn}</div>
        <div class="time">9:41</div></div>{rows}</div>"""


# Discord


def discord(body):
    embeds = "".join(f'<div class="embed">{discord_text(one["description"])}</div>' for one in body.get("embeds", []))
    rows = body.get("components", [])
    rows = "".join('<div class="row">' + "".join(f"<button>{esc(one['label'])}</button>" for one in row["components"]) + "</div>" for row in rows)
    return f"""<div class="discord message"><div class="avatar">P</div><div class="column">
        <div class="head"><b>Postern</b><span class="app">✓ APP</span><span class="time">Today at 9:41 AM</span></div>
        <div class="text">{discord_text(body['content'])}</div>{embeds}{rows}</div></div>"""


def discord_text(text):
    """A quotation is lines that begin with `> `."""
    parts = re.split(r"((?:^> .*\n?)+)", text, flags=re.MULTILINE)
    quoted = lambda part: '<div class="quote">' + discord_line(re.sub(r"^> ", "", part.rstrip("\n"), flags=re.MULTILINE)) + "</div>"
    return "".join(quoted(part) if at % 2 else discord_line(part) for at, part in enumerate(parts))


def discord_line(text):
    out = []
    for at, part in enumerate(re.split(r"```(?:json\n)?", text)):
        if at % 2:
            out.append(f"<pre>{esc(part.strip(chr(10)))}</pre>")
            continue
        part = part.strip("\n") if out else part.rstrip("\n")
        for token in re.findall(r"\\.|<@\d+>|<t:\d+:f>|[^\\<]+|.", part, re.DOTALL):
            if token.startswith("<@"):
                out.append(f'<span class="mention">@{PEOPLE[token[2:-1]]}</span>')
            elif token.startswith("<t:"):
                time, clock = moment(token[3:-3])
                out.append(f'<span class="moment">{time:%B} {time.day}, {time.year} {clock}</span>')
            else:
                out.append(esc(token[1:] if token.startswith("\\") and len(token) == 2 else token))
    return "".join(out)


STYLE = """
* { box-sizing: border-box; margin: 0 }
html { background: %s }
body { font: 15px/1.46 Inter, sans-serif; width: %dpx; -webkit-font-smoothing: antialiased }
pre { font: 12px/1.5 "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere }
.message { display: flex; gap: 12px; padding: 16px } .column { flex: 1; min-width: 0 }
.avatar { width: 36px; height: 36px; flex: none; border-radius: 8px; background: #2f6f5e; color: #fff; font-weight: 700;
  display: grid; place-items: center }
.head { display: flex; align-items: center; gap: 6px; margin-bottom: 4px } .app { font-size: 10px; font-weight: 600; padding: 0 4px; border-radius: 3px }
.time { font-size: 12px }
.slack { color: #1d1c1d; background: #fff } .slack .app, .slack .time { color: #616061 } .slack .app { background: #ebebeb }
.slack .context { font-size: 13px; color: #616061; margin: 6px 0 } .slack .section { margin: 6px 0; white-space: pre-wrap }
.slack .more { color: #1264a3 } .slack .mention { color: #1264a3; background: #e8f5fa; border-radius: 3px; padding: 0 2px }
.slack pre { border: 1px solid #ddd; background: #f8f8f8; border-radius: 4px; padding: 8px; margin: 6px 0 }
.slack button, .discord button { font: 600 13px Inter, sans-serif; padding: 6px 12px; margin: 6px 8px 0 0 }
.slack button { border: 1px solid #bbb; border-radius: 8px; background: #fff; color: #1d1c1d }
.telegram { background: #a9c9a1; padding: 16px } .telegram .bubble { background: #fff; border-radius: 12px; padding: 8px 12px; position: relative }
.telegram .name { color: #3a8f5c; font-weight: 600; font-size: 14px } .telegram .text { white-space: pre-wrap }
.telegram .link { color: #168acd } .telegram .bubble > .time { text-align: right; color: #8a9aa5; font-size: 11px }
.telegram .quote { background: #eef6ff; border-left: 3px solid #3a8fd6; border-radius: 4px; padding: 4px 24px 4px 10px; position: relative }
.telegram .folded { display: -webkit-box; -webkit-line-clamp: 3; -webkit-box-orient: vertical; overflow: hidden }
.telegram .chevron { position: absolute; right: 8px; bottom: 4px; color: #3a8fd6 }
.telegram .code { background: #f0f4f7; border-left: 3px solid #5c7f99; border-radius: 4px; overflow: hidden }
.telegram .language { background: #dfe8ee; color: #41647e; font-size: 12px; font-weight: 600; padding: 2px 10px } .telegram pre { padding: 6px 10px }
.telegram .row { display: flex; gap: 4px; margin-top: 4px }
.telegram button { flex: 1; border: 0; border-radius: 8px; background: #6f9c78; color: #fff; font: 600 14px Inter, sans-serif; padding: 8px }
.discord { background: #313338; color: #dbdee1 } .discord .avatar { border-radius: 50%% } .discord .head b { color: #f2f3f5 }
.discord .app { background: #5865f2; color: #fff } .discord .time { color: #949ba4 } .discord .text, .discord .embed { white-space: pre-wrap }
.discord .quote { border-left: 4px solid #65686f; border-radius: 2px; padding-left: 12px }
.discord .mention { background: #3c4270; color: #c9cdfb; border-radius: 3px; padding: 0 2px } .discord .moment { background: #3f4147; border-radius: 3px; padding: 0 2px }
.discord pre { background: #2b2d31; border: 1px solid #1e1f22; border-radius: 4px; padding: 8px; margin: 6px 0 }
.discord .embed { background: #2b2d31; border-left: 4px solid #1e1f22; border-radius: 4px; padding: 12px; margin-top: 6px }
.discord button { border: 0; border-radius: 4px; background: #4e5058; color: #fff; padding: 8px 16px }
""" % (BELOW, WIDTH)


def photographed(page):
    """A page as a picture, without what is below it."""
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
             "--disable-background-networking", "--disable-component-update", "--hide-scrollbars"]
    with tempfile.TemporaryDirectory() as folder:
        file, photo = pathlib.Path(folder, "page.html"), pathlib.Path(folder, "photo.png")
        file.write_text(page)
        how = [f"--user-data-dir={folder}/profile", f"--force-device-scale-factor={SCALE}", f"--window-size={WIDTH},1600"]
        subprocess.run(["chromium", *quiet, *how, f"--screenshot={photo}", file.as_uri()], check=True, capture_output=True)
        picture = Image.open(photo).convert("RGB")
    below = Image.new("RGB", picture.size, BELOW)
    return picture.crop(ImageChops.difference(picture, below).getbbox())


def take(message):
    """Photographs a message."""
    written = message.read_bytes()
    platform = message.name.split("-")[0]
    drawn = {"slack": slack, "telegram": telegram, "discord": discord}[platform](json.loads(written)["body"])
    picture = photographed(f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style><body>{drawn}')
    note = PngImagePlugin.PngInfo()
    note.add_text("message-sha256", hashlib.sha256(written).hexdigest())
    # So few colours that the file is small.
    picture = picture.quantize(96, dither=Image.Dither.NONE)
    picture.save(message.with_suffix(".png"), optimize=True, pnginfo=note)


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(file.stem for file in HERE.glob("*.json")):
        take(HERE / f"{name}.json")
