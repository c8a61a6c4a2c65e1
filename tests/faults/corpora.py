"""Small corpora made on the spot: sentences from a grammar, so that cleaning keeps them and language
detection calls them English, with planted duplicates, evaluation items and faults."""

import gzip
import hashlib
import json
import pathlib

PLACES = "harbour village library market station garden museum theatre bridge castle farm office".split()
PEOPLE = "teacher farmer doctor sailor painter writer engineer gardener captain student baker lawyer".split()
THINGS = (
    "letters wooden boats, old maps, heavy boxes, fresh apples, warm blankets, glass bottles, small clocks, long ropes"
).split(", ")
VERBS = "carried collected repaired described discovered painted sold borrowed cleaned counted".split()
TIMES = (
    "in the morning|after the storm|before the winter came|during the long summer|on the last day of the week|"
    "when nobody was looking"
).split("|")

QUESTION = (
    "Which of the travelling merchants from the northern islands sold seven silver lanterns "
    "to the keeper of the lighthouse?"
)


def number(*parts) -> int:
    """A number that hangs on `parts` alone."""
    return int.from_bytes(hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=6).digest(), "big")


def pick(words, *parts):
    return words[number(*parts) % len(words)]


def sentence(*seed) -> str:
    return (
        f"The {pick(PEOPLE, *seed, 1)} from the {pick(PLACES, *seed, 2)} "
        f"{pick(VERBS, *seed, 3)} {number(*seed, 4) % 900 + 100} "
        f"{pick(THINGS, *seed, 5)} {pick(TIMES, *seed, 6)} and showed them to the {pick(PEOPLE, *seed, 7)}."
    )


def german(*seed) -> str:
    count = number(*seed) % 9000 + 1000
    return f"Die Lehrerin aus dem Dorf hat gestern {count} alte Briefe gesammelt und sorgfältig geordnet."


def document(seed, sentences=8) -> str:
    return "\n".join(sentence(seed, i) for i in range(sentences))


def documents(count=120) -> list[dict]:
    """Documents with ids, URLs and dates; every kind of thing a step looks for is among them."""
    rows = []
    for i in range(count):
        text, url = document(i), f"https://www.site{i % 7}.example/page/{i}"
        if i % 20 == 3:
            text = document(i - 1)  # equal text
        if i % 20 == 5:
            text = document(i - 1) + "\n" + sentence(i, "one more")  # nearly equal
        if i % 20 == 7:
            text += "\n" + document("boilerplate", 3)  # a repeated passage
        if i % 20 == 9:
            text += f"\nQuestion number {i} of that evening. " + QUESTION.replace("?", ".")  # an evaluation item
        if i % 20 == 11:
            text = "\n".join(german(i, line) for line in range(6))
        if i % 20 == 13:
            text = "menu\nhome | about | contact\nclick here"
        if i % 20 == 15:
            text += f"\nSomebody called number {i} a rotten flumpet in front of everybody else that day."
        if i % 20 == 17:
            url = f"http://site{(i - 1) % 7}.example/page/{i - 1}/?utm_source=x"  # an address seen before
        rows.append({"id": f"doc-{i}", "text": text, "url": url, "date": f"2024-01-{1 + i % 28:02d}T00:00:00Z"})
    return rows


def write_jsonl(path: pathlib.Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def write_files(folder, rows, files):
    """Documents as JSON lines in so many files of a new folder, the first of them in the first."""
    folder.mkdir()
    each = -(-len(rows) // files)
    for number in range(files):
        write_jsonl(folder / f"{number}.jsonl", rows[each * number :][:each])


def warc_record(
    kind: str, url: str, content: bytes, length: int | None = None, media_type="application/http; msgtype=response"
) -> bytes:
    """A WARC record; `length` overrides the Content-Length that it claims."""
    lines = ["WARC/1.0", f"WARC-Type: {kind}", f"WARC-Target-URI: {url}", "WARC-Date: 2024-05-01T10:00:00Z"]
    lines += [f"WARC-Record-ID: <urn:uuid:{hashlib.md5((kind + url).encode()).hexdigest()}>"]
    lines += [f"Content-Type: {media_type}", f"Content-Length: {len(content) if length is None else length}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content + b"\r\n\r\n"


def html_response(text: str) -> bytes:
    body = "<html><body>" + "".join(f"<p>{line}</p>\n" for line in text.split("\n")) + "</body></html>"
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + body.encode()


def write_inputs(folder: pathlib.Path, count=120) -> dict[str, str]:
    """The corpus as three kinds of files, an evaluation set and a word list; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = documents(count)
    third = count // 3
    write_jsonl(folder / "a.jsonl", rows[:third])
    with gzip.open(folder / "b.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows[third : 2 * third])
    with open(folder / "c.warc.gz", "wb") as file:
        for row in rows[2 * third :]:
            file.write(gzip.compress(warc_record("request", row["url"], b"GET / HTTP/1.1\r\n\r\n"), mtime=0))
            file.write(gzip.compress(warc_record("response", row["url"], html_response(row["text"])), mtime=0))
    extra = folder.parent / f"{folder.name}-extra"
    extra.mkdir(exist_ok=True)
    write_jsonl(extra / "evaluation.jsonl", [{"id": "lanterns", "text": QUESTION}])
    (extra / "words").write_text("flumpet\n", encoding="utf-8")
    return {"input": str(folder), "evaluation": str(extra / "evaluation.jsonl"), "words": str(extra / "words")}


def full_recipe(paths: dict[str, str]) -> str:
    """A recipe with every step, as YAML, that shares its work among several tasks."""
    return f"""
name: full
input: ["{paths["input"]}"]
task_bytes: 16384
working_bytes: 16384
steps:
  - length: {{max_characters: 190000}}
  - url_dedup
  - c4
  - line_dedup: {{min_sentences: 2}}
  - language: {{keep: [en], min_probability: 0.9}}
  - bad_words: {{path: "{paths["words"]}"}}
  - exact_dedup
  - near_dedup: {{threshold: 0.7, permutations: 128}}
  - substring_dedup: {{min_length: 60}}
  - decontaminate: {{against: ["{paths["evaluation"]}"]}}
  - train_tokenizer: {{family: bpe, vocab_size: 600}}
  - tokenize: {{shard_bytes: 8192}}
  - pack: {{sequence_length: 64}}
"""
