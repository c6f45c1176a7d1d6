# SPDX-License-Identifier: MIT
"""Decodes the demo's copy-heavy conversations with OpenVINO GenAI, plainly and with its prompt lookup,
and with copyspec-openvino, in turn, and prints tables.

    python3 genai.py --program copyspec-openvino --model FILE.gguf --graph FOLDER --out openvino.json [--rounds 3]

FOLDER has the graph of the model as copyspec-export-genai wrote it.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

import openvino_genai

SETTINGS = [(tokens, ngram) for tokens in (3, 5, 10) for ngram in (2, 3, 5)]
# What openvino_exact() has, so that both compute the same.
EXACT = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0, "KV_CACHE_PRECISION": "f32"}


def name(setting):
    return "GenAI, plain" if setting is None else f"GenAI, prompt lookup, {setting[0]} tokens, n-gram {setting[1]}"


def decode_here(arguments, names):
    """What copyspec-openvino decodes in one process, by conversation and way: tokens and seconds, and the answers."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out.json"
        only = [part for conversation in names for part in ("--only", conversation)]
        subprocess.run([arguments.program, "--model", arguments.model, "--threads", str(arguments.threads),
                        "--max-tokens", str(arguments.max_tokens), "--json", str(out), *only],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        report = json.loads(out.read_text())
    runs = {}
    for conversation in report["conversations"]:
        repetition = conversation["repetitions"][0]
        for way, label in (("plain", "copyspec, plain"), ("copy", "copyspec, copying")):
            turns = repetition[way][:arguments.turns]
            runs[conversation["name"], label] = {"tokens": sum(turn["tokens"] for turn in turns),
                                                 "seconds": sum(turn["generation_seconds"] for turn in turns),
                                                 "texts": [answer["text"] for answer in conversation["answers"][:arguments.turns]]}
    return report["conversations"], runs


def decode_there(pipeline, eos, prompts, setting, arguments):
    """The same of one conversation with GenAI. Its clock starts when the first token is there, which is left out."""
    config = openvino_genai.GenerationConfig()
    config.max_new_tokens = arguments.max_tokens
    config.do_sample = False
    config.eos_token_id = eos
    # GenAI would put the default system prompt of the model's template before it.
    config.apply_chat_template = False
    if setting is not None:
        config.num_assistant_tokens, config.max_ngram_size = setting
    run = {"tokens": 0, "seconds": 0, "texts": []}
    said = ""
    for prompt in prompts:
        said += f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
        result = pipeline.generate([said], config)
        metrics = result.perf_metrics
        run["tokens"] += metrics.get_num_generated_tokens() - 1
        run["seconds"] += (metrics.get_generate_duration().mean - metrics.get_ttft().mean) / 1000
        run["texts"].append(result.texts[0])
        said += f"{result.texts[0]}<|im_end|>\n"
    return run


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--graph", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--max-tokens", type=int, default=400)
    parser.add_argument("--only", action="append", default=[])
    arguments = parser.parse_args()

    properties = EXACT | {"INFERENCE_NUM_THREADS": arguments.threads}
    tokenizer = openvino_genai.Tokenizer(arguments.model)
    plain = openvino_genai.LLMPipeline(arguments.graph, tokenizer, "CPU", **properties)
    lookup = openvino_genai.LLMPipeline(arguments.graph, tokenizer, "CPU", prompt_lookup=True, **properties)
    names = arguments.only or ["letter", "email", "dialogue", "agenda", "add-method", "rename-method", "table", "json",
                               "recipe", "summary", "extract", "translate-back"]
    rounds = []
    for number in range(arguments.rounds):
        print(f"round {number + 1} of {arguments.rounds}", flush=True)
        conversations, runs = decode_here(arguments, names)
        for conversation in conversations:
            for setting in [None, *SETTINGS]:
                pipeline = plain if setting is None else lookup
                runs[conversation["name"], name(setting)] = decode_there(
                    pipeline, tokenizer.get_eos_token_id(), conversation["prompts"][:arguments.turns], setting,
                    arguments)
        rounds.append(runs)
    pathlib.Path(arguments.out).write_text(json.dumps(
        [[{"conversation": key[0], "way": key[1], **run} for key, run in runs.items()] for runs in rounds], indent=1))

    ways = list(dict.fromkeys(key[1] for key in rounds[0]))

    def rates(way, conversations):
        return [sum(runs[c, way]["tokens"] for c in conversations) / sum(runs[c, way]["seconds"] for c in conversations)
                for runs in rounds]

    def ratio(way, other, conversations):
        return statistics.median(own / others for own, others in zip(rates(way, conversations),
                                                                     rates(other, conversations)))

    best = max((name(setting) for setting in SETTINGS), key=lambda way: statistics.median(rates(way, names)))
    print("\n| way | tokens/s | over plain of GenAI | copying over it |\n|---|---|---|---|")
    for way in ways:
        print(f"| {way} | {statistics.median(rates(way, names)):.1f} | {ratio(way, 'GenAI, plain', names):.2f}x "
              f"| {ratio('copyspec, copying', way, names):.2f} |")
    print(f"\n| conversation | copying over {best} | same text |\n|---|---|---|")
    for conversation in names:
        texts = {"|".join(text.strip() for text in runs[conversation, way]["texts"])
                 for runs in rounds for way in ("copyspec, copying", best)}
        print(f"| {conversation} | {ratio('copyspec, copying', best, [conversation]):.2f} "
              f"| {'yes' if len(texts) == 1 else 'no'} |")


if __name__ == "__main__":
    main()
