"""Opens the exported page of a sweep in a real Chromium and checks that all videos play in step.

    python3 tests/sweep_page.py target/debug/wandeck [SCREENSHOT.png]

Makes a sweep of nine toy cells, exports it, and reads the videos' positions over DevTools while they play. Needs Python's
own library only. Without a Chromium in the path it says so and checks nothing.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
CELLS = 9
# seconds: how long is watched, how often, and how far two videos may be apart
WATCHED, EVERY, APART = 6.0, 0.1, 0.12
POSITIONS = """JSON.stringify([...document.querySelectorAll("video")].map(video =>
    [video.currentTime, video.duration, video.getVideoPlaybackQuality().totalVideoFrames,
     video.error ? video.error.message : null]))"""


class Browser:
    """A headless Chromium that is spoken to over a pipe."""

    def __init__(self, program, profile):
        to_read, self.to_browser = os.pipe()
        self.from_browser, to_write = os.pipe()

        def place():
            # the browser reads commands from 3 and writes answers to 4
            read, write = os.dup(to_read), os.dup(to_write)
            os.dup2(read, 3)
            os.dup2(write, 4)

        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        options += ["--remote-debugging-pipe", f"--user-data-dir={profile}", "--window-size=1280,1400", "about:blank"]
        self.process = subprocess.Popen(
            [program, *options], preexec_fn=place, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_read)
        os.close(to_write)
        self.number, self.rest, self.session = 0, b"", None

    def ask(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                part = os.read(self.from_browser, 1 << 16)
                if not part:
                    sys.exit("Chromium has ended")
                self.rest += part
            answer, self.rest = self.rest.split(b"\0", 1)
            answer = json.loads(answer)
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']}")
                return answer["result"]

    def open(self, address):
        target = self.ask("Target.createTarget", url=address)["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def evaluate(self, expression):
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def end(self):
        self.session = None
        self.ask("Browser.close")
        self.process.wait(20)


def export(program, folder):
    """A page with nine cells of 33 frames, a bit over four seconds each."""
    root = Path(__file__).resolve().parent.parent
    env = {"WANDECK_DATA_DIR": str(folder / "data"), "MODELS_ROOT": str(root / "models"), **os.environ}
    (folder / "data").mkdir()
    if (root / "target/test-data/runtime").is_dir():
        (folder / "data/runtime").symlink_to(root / "target/test-data/runtime")
    options = "--preset toy-t2v --steps 4 --frames 33 --fps 8 --seed 7".split()
    axes = "--axis guidance_low=1,2,3 --axis shift=3,6,12".split()
    sweep = [program, "sweep", "A red circle", *options, *axes, "--export", str(folder / "page")]
    subprocess.run(sweep, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder / "page/index.html"


def check(samples):
    """Why the videos do not play in step; none if they do."""
    last = samples[-1]
    if len(last) != CELLS:
        return f"{len(last)} videos instead of {CELLS}"
    for _, duration, shown, error in last:
        # a second of eight frames at least
        if error or shown < 8 or not duration:
            return f"a video does not play: {shown} frames shown, {error}"
    lengths = [duration for _, duration, _, _ in last]
    inside = [
        [time for time, *_ in sample] for sample in samples if all(0.3 < time < min(lengths) - 0.3 for time, *_ in sample)
    ]
    if len(inside) < len(samples) / 3:
        return f"they were in the middle in {len(inside)} of {len(samples)} samples only"
    firsts = [times[0] for times in inside]
    if max(firsts) - min(firsts) < min(lengths) / 2:
        return f"they do not advance: {firsts}"
    apart = sorted(max(times) - min(times) for times in inside)
    print(f"{CELLS} videos of {min(lengths):.2f} s, {len(inside)} samples: at most {apart[-1]:.3f} s apart, median "
          f"{apart[len(apart) // 2]:.3f} s")
    # one sample may fall between two moves of the page's clock
    return None if apart[-2] <= APART else f"they are {apart[-2]:.3f} s apart"


def main():
    browser_program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_program is None:
        print(f"skipped: none of {', '.join(BROWSERS)} is installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        page = export(os.path.abspath(sys.argv[1]), Path(folder))
        browser = Browser(browser_program, Path(folder) / "profile")
        browser.open(page.as_uri())
        ready = "[...document.querySelectorAll('video')].filter(video => video.readyState >= 3).length"
        began = time.monotonic()
        while browser.evaluate(ready) != CELLS and time.monotonic() - began < 30:
            time.sleep(0.1)
        samples = []
        began = time.monotonic()
        while time.monotonic() - began < WATCHED:
            samples.append(json.loads(browser.evaluate(POSITIONS)))
            time.sleep(EVERY)
        if len(sys.argv) > 2:
            image = browser.ask("Page.captureScreenshot", format="png")["data"]
            Path(sys.argv[2]).write_bytes(base64.b64decode(image))
        browser.end()
    wrong = check(samples)
    if wrong:
        sys.exit(f"The page of a sweep in {browser_program}: {wrong}")


if __name__ == "__main__":
    main()
