"""Makes NotoSansCJK-subset.otf: the characters of Chinese, Japanese and Korean that the window shows.

    apt-get download fonts-noto-cjk && dpkg-deb -x fonts-noto-cjk_*.deb noto
    python3 -m venv v && v/bin/pip install fonttools==4.68.0
    v/bin/python make.py noto/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc

The same Debian package (1:20220127+repack1-1) and the same fonttools give the same file.
"""

import argparse
import pathlib

from fontTools import subset

HERE = pathlib.Path(__file__).resolve().parent
# "Noto Sans CJK SC" in the collection: a Chinese prompt looks as it should, kana and Hangul are the same in all faces
SIMPLIFIED_CHINESE = 2
MOST_BYTES = 3_000_000
# jōyō kanji that are not in JIS X 0208
JOYO_BESIDE_JIS = "𠮟塡剝頰"


def rows(encoding, first, last):
    """Characters of the rows `first` to `last` of a 94 x 94 character set, as its EUC encoding decodes them."""
    for row in range(first, last + 1):
        for cell in range(1, 95):
            try:
                yield bytes([0xA0 + row, 0xA0 + cell]).decode(encoding)
            except UnicodeDecodeError:
                pass


def ranges(*pairs):
    return (chr(code) for first, last in pairs for code in range(first, last + 1))


def characters():
    wanted = set()
    # GB 2312: level 1 (rows 16 to 55, by use) and level 2 (56 to 87)
    wanted.update(rows("gb2312", 16, 87))
    # JIS X 0208: level 1 (rows 16 to 47); together with what is above and below, all jōyō kanji
    wanted.update(rows("euc_jp", 16, 84), JOYO_BESIDE_JIS)
    # Big5: the 5401 characters in common use in Taiwan and Hong Kong
    wanted.update(
        bytes([high, low]).decode("big5")
        for high in range(0xA4, 0xC7)
        for low in (*range(0x40, 0x7F), *range(0xA1, 0xFF))
        if high < 0xC6 or low < 0x7F
    )
    # KS X 1001: the 2350 Hangul syllables in common use
    wanted.update(rows("euc_kr", 16, 40))
    wanted.update(
        ranges(
            (0x2010, 0x2027),  # dashes, quotation marks, ellipsis
            (0x2460, 0x2473),  # circled numbers
            (0x3000, 0x303F),  # CJK punctuation
            (0x3040, 0x309F),  # hiragana
            (0x30A0, 0x30FF),  # katakana
            (0x3105, 0x312F),  # bopomofo
            (0x3131, 0x318E),  # Hangul letters
            (0xFF01, 0xFFEF),  # full-width and half-width forms
        )
    )
    # what the presets say, so that the official negative prompt can always be read
    for preset in (HERE.parent.parent / "presets").glob("*.ron"):
        wanted.update(char for char in preset.read_text(encoding="utf-8") if ord(char) >= 0x2E80)
    return wanted


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", type=pathlib.Path, help="NotoSansCJK-Regular.ttc")
    parser.add_argument("-o", "--output", type=pathlib.Path, default=HERE / "NotoSansCJK-subset.otf")
    args = parser.parse_args()

    options = subset.Options()
    options.font_number = SIMPLIFIED_CHINESE
    options.hinting = False
    options.layout_features = []
    options.name_IDs = [0, 1, 2, 4, 5, 6, 13, 14]
    options.drop_tables += ["BASE", "GDEF", "GPOS", "GSUB", "VORG", "vhea", "vmtx"]
    options.notdef_outline = True
    options.recalc_timestamp = False
    font = subset.load_font(args.collection, options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[ord(char) for char in characters()])
    subsetter.subset(font)
    subset.save_font(font, args.output, options)

    size = args.output.stat().st_size
    print(f"{args.output}: {len(font.getBestCmap())} characters, {size} bytes")
    if size > MOST_BYTES:
        raise SystemExit(f"The font may have {MOST_BYTES} bytes at most.")


if __name__ == "__main__":
    main()
