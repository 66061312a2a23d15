"""Cuts the demo's turns as a recorder might, and writes them as files for score_through_engine.mjs.

    check_demo.py DEMO_DIR OUT_DIR      every turn through both laws, with 40 to 440 ms of padding at either end
"""

import argparse
import json
from pathlib import Path

from telephony import LINE_RATE, through_g711
from wav_file import read_wav, write_wav

# Padding before and after the words, ms: the recorder's own 240, and cuts that are 200 earlier or later.
PADDINGS = [(240, 240), (40, 40), (440, 440)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    script = json.loads((options.demo / "script.json").read_text())
    legs = [read_wav(options.demo / speaker["file"])[0] for speaker in script["speakers"]]
    references: dict[str, dict[str, str]] = {}
    for number, turn in enumerate(script["turns"]):
        for before, after in PADDINGS:
            start = max(0, turn["startMs"] - before) * LINE_RATE // 1000
            cut = legs[turn["speaker"]][start : (turn["endMs"] + after) * LINE_RATE // 1000]
            for law in ("mulaw", "alaw"):
                name = f"turn{number:02d}-{before}-{after}-{law}.wav"
                write_wav(options.out / name, through_g711(cut, law), LINE_RATE)
                references[name] = {"text": turn["text"]}
    (options.out / "refs.json").write_text(json.dumps(references, indent=1))
    print(f"{len(references)} cuts")


if __name__ == "__main__":
    main()
