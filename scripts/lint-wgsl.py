#!/usr/bin/env python3
"""Checks every shader with Chromium's WGSL compiler, Tint, which refuses what naga lets pass (a barrier in non-uniform
control flow, for one): scripts/lint-wgsl.py

Each file, with its imports, is compiled by a page in a headless Chromium, and then made into compute pipelines with all
values of the overrides that have no default, at WebGPU's default limits. A line a file; warnings are shown and do not
fail. Two shaders that are wrong on purpose must be refused. Chromium is $CHROMIUM, or is looked for in PATH.

Exit code 0: all passed; 1: something failed; 3: not run, as there is no Chromium, or no WebGPU in it.
"""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHADERS = ROOT / "shaders"
TIMEOUT = 240  # seconds, for everything: some 30 on two idle cores
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# What an `enable` line asks of the adapter. Without it the file is skipped: it cannot compile there.
FEATURES = {"f16": "shader-f16", "subgroups": "subgroups"}

# The image holds back the load event, for which --dump-dom waits: the server answers it when the page is done.
PAGE = """<!doctype html><title>WGSL</title><link rel="icon" href="data:,"><img src="/hold"><script>
const post = (path, body) => fetch(path, { method: "POST", body: JSON.stringify(body) });

async function check(device, { text, features, pipelines }) {
  const lacks = features.find((f) => !device.features.has(f));
  if (lacks) return { skipped: `the adapter has no ${lacks}` };
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code: text });
  const refused = device.popErrorScope();
  const info = await module.getCompilationInfo();
  const messages = info.messages.map((m) => ({ type: m.type, line: m.lineNum, text: m.message }));
  const error = await refused;
  if (error && !messages.some((m) => m.type === "error")) {
    messages.push({ type: "error", line: 0, text: error.message });
  }
  if (error) return { messages };
  await Promise.all(pipelines.map((constants) => device
    .createComputePipelineAsync({ layout: "auto", compute: { module, constants } })
    .catch((e) => messages.push({ type: "error", line: 0, text: e.message, constants }))));
  return { messages };
}

(async () => {
  try {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter) return await post("/none", navigator.gpu ? "it has no WebGPU adapter" : "it has no WebGPU");
    const jobs = await (await fetch("/jobs")).json();
    const wanted = new Set(jobs.flatMap((j) => j.features));
    const requiredFeatures = [...wanted].filter((f) => adapter.features.has(f));
    const device = await adapter.requestDevice({ requiredFeatures });
    const version = navigator.userAgent.match(/Chrome\\/[0-9.]+/)?.[0] ?? navigator.userAgent;
    await post("/about", `${version}, ${adapter.info.vendor} ${adapter.info.architecture}`);
    for (const [i, job] of jobs.entries()) await post(`/result/${i}`, await check(device, job));
  } catch (e) {
    await post("/error", String(e));
  } finally {
    await post("/done", null);
  }
})();
</script>
"""


class Source:
    """A shader with its imports put in, as Source in src/kernels/wgsl.rs does it, and where each line came from."""

    def __init__(self, name, text):
        self.name, self.lines, self.places, self.error = name, [], [], None
        self.include(name, text, set())
        self.text = "".join(line + "\n" for line in self.lines)

    def include(self, file, text, seen):
        lines = text.split("\n")
        if lines[-1] == "":
            lines.pop()
        for number, line in enumerate(lines, 1):
            line = line[:-1] if line.endswith("\r") else line
            if not line.startswith("#import "):
                self.lines.append(line)
                self.places.append(f"{file}:{number}")
                continue
            wanted = line[len("#import ") :].strip()
            path = SHADERS / "lib" / f"{wanted}.wgsl"
            if not re.fullmatch(r"\w+", wanted) or not path.is_file():
                self.error = self.error or f"{file}:{number}: no lib/{wanted}.wgsl"
            elif wanted not in seen:
                seen.add(wanted)
                self.include(f"shaders/lib/{wanted}.wgsl", read(path), seen)

    def place(self, line):
        return self.places[line - 1] if 0 < line <= len(self.places) else self.name

    def job(self):
        code = re.sub(r"//.*", "", self.text)
        enabled = [w.strip() for names in re.findall(r"^\s*enable\s+([^;]+);", code, re.M) for w in names.split(",")]
        # A library file may use what its importers bind.
        bound = "@compute" in code or "step." not in code
        return {
            "text": self.text if bound else self.text + "@group(0) @binding(0) var<uniform> step: Step;\n",
            "features": [FEATURES[e] for e in enabled if e in FEATURES],
            "pipelines": combinations(code) if "@compute" in code else [],
        }

    def problems(self, result):
        """Lines to print, and whether they fail the file."""
        lines = []
        for m in result["messages"]:
            # Without the candidates that follow. In a pipeline's error the places are in the text, ":LINE:COLUMN".
            text = m["text"].strip().split("\n\n")[0].replace("\n", "\n    ")
            text = re.sub(r"(?<!\w):(\d+):(\d+)\b", lambda g: f"{self.place(int(g[1]))}:{g[2]}", text)
            given = "".join(f" {k}={v}" for k, v in m.get("constants", {}).items())
            lines.append(f"{self.place(m['line'])}: {m['type']}{' with' + given if given else ''}: {text}")
        return lines, any(m["type"] == "error" for m in result["messages"])


def read(path):
    # Not universal newlines: lines end where Rust's str::lines ends them.
    return path.read_bytes().decode()


def combinations(code):
    """Values for the overrides without defaults: 0, 1, and every constant that one is compared with; OP, the family,
    gets all constants of the form NAME = Nu, as the last of a switch may be its default, and so does I0, the first
    instruction of a program. Every pair of values of two overrides is in some combination: all combinations of the matmuls
    would take half a minute to compile, and those of a program are millions."""
    constants = dict(re.findall(r"^const (\w+) = (\d+)u;", code, re.M))
    values = {}
    for name in re.findall(r"^override (\w+)\s*(?::\s*\w+)?\s*;", code, re.M):
        used = re.findall(rf"\b{name} *[!=]= *(\w+)", code) + re.findall(rf"(\w+) *[!=]= *{name}\b", code)
        for body in re.findall(rf"\bswitch \(?{name}\)? \{{(.*?)^  \}}", code, re.M | re.S):
            used += [w for case in re.findall(r"\bcase ([^:{]+)", body) for w in re.findall(r"\w+", case)]
        if name in ("OP", "I0"):
            used += constants
        numbers = {0, 1} | {int(n) for n in (constants.get(w, w.rstrip("u")) for w in used) if n.isdigit()}
        # The functions of a program lie close: those that are in no line of their own come with the last.
        values[name] = sorted(numbers | set(range(max(numbers) + 1))) if name == "I0" else sorted(numbers)
    places = [(name, v) for name, all in values.items() for v in all]
    missing = {frozenset(p) for p in itertools.combinations(places, 2) if p[0][0] != p[1][0]}
    if len(values) == 1:
        return [dict([place]) for place in places]
    kept = []
    while missing:
        # A pair that is missing, then of each other override the value that brings the most pairs.
        row = dict(min(missing, key=sorted))
        for name, all in values.items():
            if name not in row:
                row[name] = max(all, key=lambda v: sum(frozenset(((name, v), other)) in missing for other in row.items()))
        missing -= {frozenset(p) for p in itertools.combinations(row.items(), 2)}
        kept.append(row)
    return kept or [{}]


# Wrong on purpose. The first thing said of each must hold this word and begin with this place.
BAD = [
    (
        Source(
            "barrier",
            "#import index\n@group(0) @binding(0) var<storage, read_write> y: array<u32>;\n"
            "@compute @workgroup_size(64)\nfn main(@builtin(local_invocation_index) l: u32) {\n"
            "  if l == 0u {\n    workgroupBarrier();\n  }\n  y[l] = l;\n}\n",
        ),
        "uniform",
        "barrier:6: error",
    ),
    # This one is a fault at one value of an override only: the pipelines must be looked at too.
    (
        Source(
            "override",
            "override OP: u32;\nconst HUGE = 70000u;\n@group(0) @binding(0) var<storage, read_write> y: array<u32>;\n"
            "@compute @workgroup_size(OP + 1u)\nfn main(@builtin(local_invocation_index) l: u32) { y[l] = l; }\n",
        ),
        "workgroup",
        "override: error with OP=70000",
    ),
]


class State:
    def __init__(self, jobs):
        self.jobs, self.results, self.about, self.none, self.error = jobs, {}, None, None, None
        self.loaded, self.done, self.over = False, threading.Event(), threading.Event()


def handler(state):
    class Handler(BaseHTTPRequestHandler):
        def answer(self, kind, body):
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            if self.path == "/":
                state.loaded = True
                self.answer("text/html", PAGE.encode())
            elif self.path == "/jobs":
                self.answer("application/json", json.dumps(state.jobs).encode())
            elif self.path == "/hold":
                state.over.wait(TIMEOUT)
                self.answer("image/png", b"")
            else:
                self.send_error(404)

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path.startswith("/result/"):
                state.results[int(self.path.rsplit("/", 1)[1])] = body
            elif self.path == "/done":
                state.done.set()
                state.over.set()
            else:
                setattr(state, {"/about": "about", "/none": "none", "/error": "error"}[self.path], body)
            self.answer("text/plain", b"")

        def log_message(self, *_):
            pass

    return Handler


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Chromium may end before it has read an answer."""


def browse(chromium, state):
    """Runs Chromium on the page until the page is done, Chromium ends or the time is over; its messages."""
    server = Server(("127.0.0.1", 0), handler(state))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    profile = tempfile.mkdtemp(prefix="lint-wgsl-")
    # No sandbox: it works in no container, and this page is the only one to be opened.
    command = [chromium, "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-sync"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-breakpad"]
    command += [f"--user-data-dir={profile}", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
    command += ["--dump-dom", f"http://127.0.0.1:{server.server_address[1]}/"]
    end = time.monotonic() + TIMEOUT
    with tempfile.TemporaryFile() as log:
        # A session of its own, so that all its processes can be ended.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True
        )
        try:
            while process.poll() is None and not state.done.wait(0.05) and time.monotonic() < end:
                pass
            if state.done.is_set():
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    pass
        finally:
            state.over.set()
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except OSError:
                pass
            process.wait()
            server.shutdown()
            shutil.rmtree(profile, ignore_errors=True)
        log.seek(0)
        return log.read().decode(errors="replace")


def not_run(why):
    print(f"not run: {why}")
    return 3


def main():
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not chromium or not shutil.which(chromium):
        return not_run(f"no {chromium or 'chromium in PATH'} (Debian: chromium)")
    files = sorted(SHADERS.rglob("*.wgsl"))
    sources = [Source(path.relative_to(ROOT).as_posix(), read(path)) for path in files]
    sources += [bad for bad, _, _ in BAD]
    jobs = [s.job() for s in sources]
    state = State(jobs)
    log = browse(chromium, state)
    if state.none:
        return not_run(f"{chromium}: {state.none}")
    if not state.loaded:
        print(log.strip()[-2000:])
        return not_run(f"{chromium} did not open the page")
    print(state.about or "")

    passed = failed = skipped = 0
    missing = {"messages": [{"type": "error", "line": 0, "text": state.error or "no result: Chromium hung or ended"}]}
    for i, s in enumerate(sources[: len(files)]):
        result = state.results.get(i, missing)
        if "skipped" in result:
            skipped += 1
            print(f"{s.name}: skipped: {result['skipped']}")
            continue
        lines, wrong = s.problems(result)
        if s.error:
            lines, wrong = [s.error], True
        failed, passed = failed + wrong, passed + (not wrong)
        count = len(jobs[i]["pipelines"])
        what = f"{count} pipeline{'' if count == 1 else 's'}" if count else "compiled"
        print(f"{s.name}: {'FAILED' if wrong else 'ok'}, {what}", *lines, sep="\n    ")
    for i, (bad, word, place) in enumerate(BAD, len(files)):
        lines, _ = bad.problems(state.results.get(i, missing))
        if lines and lines[0].startswith(place) and word in lines[0]:
            print(f"self-check, {bad.name}: refused, as it must be")
        else:
            failed += 1
            wanted = f"self-check, {bad.name}: FAILED: wanted `{place}: …{word}…`, got"
            print(wanted, *lines or ["ok"], sep="\n    ")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    # Ended from outside, it still ends Chromium.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
