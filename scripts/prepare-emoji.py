#!/usr/bin/env python3
"""Makes assets/emoji/ from the npm package emoji-datasource-google 16.0.0: emoji.png, every emoji of 32 x 32 pixels on
white, in rows of 44, and emoji.csv, name and category of each in that order. Needs npm and Pillow (pip install pillow). The
same pixels every time: they are checked against their known md5.
"""

import csv, hashlib, io, json, pathlib, subprocess, tarfile, tempfile
from PIL import Image

PACKAGE, SIDE, COLUMNS = "emoji-datasource-google", 32, 44
MD5 = "3bbb56c13a33c6ea275536090fdabba8"
out = pathlib.Path(__file__).resolve().parent.parent / "assets" / "emoji"

with tempfile.TemporaryDirectory() as tmp:
    name = subprocess.run(
        ["npm", "pack", f"{PACKAGE}@16.0.0", "--silent"], cwd=tmp, check=True, capture_output=True, text=True
    ).stdout.strip()
    with tarfile.open(pathlib.Path(tmp) / name) as tar:
        emoji = json.load(tar.extractfile("package/emoji.json"))
        sheet = Image.open(io.BytesIO(tar.extractfile("package/img/google/sheets-clean/32.png").read())).convert("RGBA")

emoji = [e for e in emoji if e["has_img_google"]]
rows = -(-len(emoji) // COLUMNS)
picture = Image.new("RGB", (COLUMNS * SIDE, rows * SIDE), "white")
for i, e in enumerate(emoji):
    # A cell has a border of one pixel.
    left, top = (SIDE + 2) * e["sheet_x"] + 1, (SIDE + 2) * e["sheet_y"] + 1
    cell = sheet.crop((left, top, left + SIDE, top + SIDE))
    picture.paste(cell, (i % COLUMNS * SIDE, i // COLUMNS * SIDE), cell)
digest = hashlib.md5(picture.tobytes()).hexdigest()
assert digest == MD5, f"the pixels have the md5 {digest}, not {MD5}"
out.mkdir(parents=True, exist_ok=True)
picture.save(out / "emoji.png", optimize=True)
with open(out / "emoji.csv", "w", newline="") as f:
    table = csv.writer(f, lineterminator="\n")
    table.writerow(["name", "category"])
    table.writerows([e["name"], e["category"]] for e in emoji)
print(f"{len(emoji)} emoji in {rows} rows, pixels {digest}, {(out / 'emoji.png').stat().st_size} bytes")
