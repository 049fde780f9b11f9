#!/usr/bin/env python3
"""The mutation pass: proves that the rig can fail. Every kernel is broken in many small ways, one at a time, and
`elbo check` must notice; every line of the gradient table is falsified, and tests/gradients.rs must fail.

    scripts/mutants.py                  the whole pass; rewrites tests/mutants.md
    scripts/mutants.py --smoke          ten mutants in under a minute, all of which must be killed
    scripts/mutants.py --only reduce    one file (also lib/NAME, or gradients); writes nothing
    scripts/mutants.py --list           what would be tried

It needs llvmpipe (Debian: mesa-vulkan-drivers). What survives there is tried on SwiftShader, where Debian's package
chromium has brought it. Fails if a survivor has no reason in tests/mutants.md: equivalent mutants are recognised only by
being listed there. Python's standard library is enough.
"""

import argparse, concurrent.futures, glob, json, os, pathlib, random, re, shutil, subprocess, sys, tempfile, textwrap, time
from collections import Counter, namedtuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHADERS = ROOT / "shaders"
REPORT = ROOT / "tests" / "mutants.md"
SWIFTSHADER = "/usr/lib/chromium/vk_swiftshader_icd.json"
LAVAPIPE = next(iter(sorted(glob.glob("/usr/share/vulkan/icd.d/lvp_icd.*.json"))), None)

CAP = 20  # mutants a file
CAPS = {"lib/numerics": 40, "lib/rng": 24}
# Compiling takes most of their time. What they import, cheaper kernels use too, so library mutants are not tried here.
COSTLY = ("matmul_scalar", "matmul_subgroup", "matmul_vec4", "weight_grad", "weight_grad_subgroup")
TIMEOUT, COSTLY_TIMEOUT = 60, 300
SMOKE = [("assign", "guard"), ("adam", "arithmetic"), ("batch", "arithmetic"), ("lib/elementwise", "select"), ("copy", "logic"),
         ("finite", "comparison"), ("gaussian_kl", "sign"), ("reduce", "index"), ("lib/rng", "constant"),
         ("lib/step", "field")]

Mutant = namedtuple("Mutant", "file line kind old new")  # file: "reduce" or "lib/rng"; line from 1; old, new: whole lines


def path(file):
    return f"shaders/{file}.wgsl"


# ---------------------------------------------------------------- what can be broken

# (kind, what, by what) as regular expressions over a line of code, its comment taken off.
RULES = [
    ("arithmetic", r" \+ ", " - "), ("arithmetic", r" - ", " + "), ("arithmetic", r" \* ", " + "),
    ("arithmetic", r" / ", " * "), ("arithmetic", r" % ", " / "),
    ("comparison", r" < ", " <= "), ("comparison", r" < ", " > "), ("comparison", r" <= ", " < "),
    ("comparison", r" > ", " >= "), ("comparison", r" > ", " < "), ("comparison", r" >= ", " > "),
    ("comparison", r" == ", " != "), ("comparison", r" != ", " == "),
    ("logic", r" && ", " || "), ("logic", r" \|\| ", " && "), ("logic", r" & ", " | "), ("logic", r" \^ ", " | "),
    ("logic", r" \|= ", " &= "), ("logic", r" >> ", " << "), ("logic", r" << ", " >> "),
    ("assignment", r" \+= ", " = "), ("assignment", r" \+= ", " -= "), ("assignment", r"\+\+", " += 2u"),
    ("sign", r"(?<=[(, ])-(?=[\w(])", ""), ("sign", r"^(\s*.*\breturn )(?!-)([^;]+);(?=.*$)", r"\1-(\2);"),
    ("sign", r"^(\s*[\w.]+\[[^=]+\] = )([^;]+);$", r"\1-(\2);"),
    ("constant", r"(?<![\w.])(\d+)u\b", lambda m: f"{int(m[1]) + 1}u"),
    ("constant", r"(?<![\w.])([1-9]\d*)u\b", lambda m: f"{int(m[1]) - 1}u"),
    ("constant", r"(?<![\w.])0x([0-9a-fA-F]+)u", lambda m: f"0x{int(m[1], 16) ^ 2:x}u"),
    ("constant", r"(?<![\w.])\d+\.\d+(e-?\d+)?", lambda m: repr(float(m[0]) * 1.01 if float(m[0]) else 0.01)),
    ("index", r"(?<=\w\[)([^\[\]]+)(?=\])", r"\1 + 1u"),
    ("index", r"(?<=\w)\.x\b", ".y"), ("index", r"(?<=\w)\.y\b", ".x"), ("index", r"(?<=\w)\.z\b", ".w"),
    ("index", r"(?<=\w)\.w\b", ".z"),
    ("function", r"\bmin\(", "max("), ("function", r"\bmax\(", "min("),
    ("function", r"\b(abs|sqrt|exp|floor|log|transpose|sigmoid_|tanh_|log1p_|is_nan)\(", "("),
    ("guard", r"^(\s*)if [^{]+\{ return[^}]*\}$", r"\1"), ("guard", r"^(\s*)if ([^{]+) \{(?! return)", r"\1if true {"),
    ("barrier", r"\bworkgroupBarrier\(\);", ""),
]


def arguments(code, start):
    """The places of the arguments of a call whose parenthesis opens at start - 1."""
    depth, at, parts = 0, start, []
    for i in range(start, len(code)):
        c = code[i]
        if c in "([":
            depth += 1
        elif c == "," and depth == 0:
            parts, at = parts + [(at, i)], i + 1
        elif c in ")]":
            if depth == 0:
                return parts + [(at, i)]
            depth -= 1
    return []


def candidates(file):
    """Every mutant of a file: lines in functions, constants, and neighbours in a struct (a wrong layout)."""
    lines = (SHADERS / f"{file}.wgsl").read_text().split("\n")
    depth, struct, found = 0, False, []
    for n, line in enumerate(lines, 1):
        code = line.split("//")[0].rstrip()
        inside = depth > 0
        if depth == 0 and code:
            struct = code.startswith("struct")
        depth += code.count("{") - code.count("}")
        if struct and inside:
            below = lines[n].split("//")[0] if n < len(lines) else ""
            here, there = (re.match(r"\s+(\w+): (.+),$", x) for x in (code, below))
            if here and there and here[2] == there[2]:
                # One line a mutant: the neighbours are swapped by applying it to both.
                found.append(Mutant(file, n, "field", code, f"{below}{code}"))
            continue
        if not (inside or code.startswith("const ")) or code.startswith(("@", "struct", "override")):
            continue
        for kind, what, by in RULES:
            for m in re.finditer(what, code):
                new = code[: m.start()] + (by(m) if callable(by) else m.expand(by)) + code[m.end():]
                found.append(Mutant(file, n, kind, code, new.rstrip()))
        for m in re.finditer(r"\bselect\(", code):
            parts = arguments(code, m.end())
            if len(parts) == 3:
                (a, b), (c, d) = parts[:2]
                new = code[:a] + code[c:d].strip() + ", " + code[a:b].strip() + code[d:]
                found.append(Mutant(file, n, "select", code, new))
    return found


def sample(file, seed, cap):
    """Some of them: one of each kind in turn, no line more than thrice, the same ones for the same text and seed."""
    rng, kinds = random.Random(f"{seed} {file}"), {}
    for m in candidates(file):
        kinds.setdefault(m.kind, []).append(m)
    for k in kinds.values():
        rng.shuffle(k)
    # Barriers are few, and what nothing else proves: all of them.
    taken = kinds.pop("barrier", [])
    order, lines = list(kinds), Counter(m.line for m in taken)
    rng.shuffle(order)
    while len(taken) < cap and any(kinds.values()):
        for kind in order:
            if kinds[kind] and len(taken) < cap:
                m = kinds[kind].pop()
                if lines[m.line] < 3 and m not in taken:
                    lines[m.line] += 1
                    taken.append(m)
    return sorted(taken, key=lambda m: (m.line, m.kind, m.new))


def imports(kernel):
    """What a kernel imports, directly or not."""
    seen, todo = set(), [kernel]
    while todo:
        for name in re.findall(r"^#import (\w+)", (SHADERS / f"{todo.pop()}.wgsl").read_text(), re.M):
            if f"lib/{name}" not in seen:
                seen.add(f"lib/{name}")
                todo.append(f"lib/{name}")
    return seen


KERNELS = sorted(p.stem for p in SHADERS.glob("*.wgsl"))
USES = {k: imports(k) for k in KERNELS}
LIBRARY = sorted(f"lib/{p.stem}" for p in SHADERS.glob("lib/*.wgsl"))
FILES = KERNELS + [f for f in LIBRARY if any(f in u for u in USES.values())]


def kernels_of(file):
    if file in KERNELS:
        return [file]
    users = [k for k in KERNELS if file in USES[k]]
    return [k for k in users if k not in COSTLY] or users


# ---------------------------------------------------------------- trying


class Rig:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        cargo = ["cargo", "build", "--release", "--features", "mutants"]
        subprocess.run(cargo, cwd=ROOT, check=True)
        # A copy: other builds may replace it meanwhile.
        self.elbo = self.folder / "elbo"
        shutil.copy2(target / "release" / "elbo", self.elbo)
        self.drivers = [("llvmpipe", LAVAPIPE)]
        if os.path.exists(SWIFTSHADER):
            self.drivers.append(("SwiftShader", SWIFTSHADER))

    def env(self, **more):
        cache = self.folder / "cache"
        return {**os.environ, "NODEVICE_SELECT": "1", "MESA_SHADER_CACHE_DIR": str(cache), **more}

    def check(self, kernel, shaders, icd):
        """(killed | invalid | survived, why)."""
        command = [self.elbo, "check", "--device", "gpu", "--kernel", kernel, "--json"]
        env = self.env(ELBO_SHADERS=str(shaders), VK_ICD_FILENAMES=icd)
        try:
            limit = COSTLY_TIMEOUT if kernel in COSTLY else TIMEOUT
            out = subprocess.run(command, env=env, capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            return "killed", "timeout"
        if out.returncode == 0:
            return "survived", ""
        records = [json.loads(x) for x in out.stdout.splitlines() if x.startswith("{")]
        wrong = next((r["wrong"] for r in records if r["record"] == "kernel" and r["wrong"]), None)
        if out.returncode == 1 and wrong:
            fault = wrong[0]["fault"]
            if fault.startswith("shaders/") or "alidation" in fault.split("\n")[0]:
                return "invalid", fault
            return "killed", f"{wrong[0]['case']}: {fault}"
        if out.returncode == 1:
            sys.exit(f"elbo check {kernel} did not run: {out.stderr}")
        return "killed", f"exit {out.returncode}"

    def copy(self):
        folder = tempfile.mkdtemp(dir=self.folder)
        return shutil.copytree(SHADERS, pathlib.Path(folder) / "shaders")

    def proves_itself(self, kernels):
        """Without a mutant all is well, and the folder is read."""
        empty = tempfile.mkdtemp(dir=self.folder)
        verdict, why = self.check("fill", empty, LAVAPIPE)
        if verdict != "killed" or "fill.wgsl" not in why:
            sys.exit("elbo does not read $ELBO_SHADERS: it was built without the feature `mutants`")
        for k in kernels:
            for driver, icd in self.drivers:
                # The costly one is whole on the faster driver; the other is legs.sh's affair.
                if k not in COSTLY or driver == self.drivers[-1][0]:
                    verdict, why = self.check(k, SHADERS, icd)
                    if verdict != "survived":
                        sys.exit(f"{k} is wrong on {driver} before it is broken: {why}")

    def attempt(self, m):
        shaders = self.copy()
        target = shaders / f"{m.file}.wgsl"
        lines = target.read_text().split("\n")
        if m.kind == "field":
            lines[m.line - 1], lines[m.line] = lines[m.line], lines[m.line - 1]
        else:
            lines[m.line - 1] = m.new
        target.write_text("\n".join(lines))
        # The costly kernels compile several times faster on SwiftShader, so there it comes first.
        drivers = self.drivers[::-1] if m.file in COSTLY else self.drivers
        survived = []
        for driver, icd in drivers:
            for k in kernels_of(m.file):
                verdict, why = self.check(k, shaders, icd)
                if verdict != "survived":
                    shutil.rmtree(shaders.parent)
                    return verdict, driver, f"{k}: {why}", survived
            survived.append(driver)
        shutil.rmtree(shaders.parent)
        return "survived", "", "", survived


def gradient_binary():
    command = ["cargo", "test", "--release", "--features", "mutants", "--test", "gradients", "--no-run"]
    out = subprocess.run(command + ["--message-format=json"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found = [json.loads(x) for x in out.stdout.splitlines() if x.startswith("{")]
    return next(r["executable"] for r in found if r.get("executable") and r["target"]["name"] == "gradients")


def gradient(binary, line, *more):
    command = [binary, "rules_are_the_slopes", *more]
    env = {**os.environ, "ELBO_MUTATE_GRADIENT": line}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=TIMEOUT * 5)


def gradients(jobs, only=None):
    """[(line, killed)]: every cotangent of every rule that a test reaches."""
    binary = gradient_binary()
    if only:
        lines = only
    else:
        out = gradient(binary, "list", "--nocapture")
        if out.returncode:
            sys.exit(f"the gradients are wrong before they are falsified: {out.stdout}")
        lines = sorted(set(re.findall(r"^gradient line (\S+)$", out.stdout, re.M)))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        outs = pool.map(lambda line: gradient(binary, line, "--test-threads=2"), lines)
        return [(line, o.returncode == 101 and "by differences" in o.stdout) for line, o in zip(lines, outs)]


# ---------------------------------------------------------------- reporting


def place(m):
    return f"`{path(m.file)}:{m.line}`"


def shown(m):
    old = m.old.strip()
    new = m.new.strip() if m.new.strip() else "(removed)"
    return f"`{old}` → `{' '.join(new.split())}`"


def wrap(text, indent=""):
    return textwrap.wrap(text, 120, initial_indent=indent, subsequent_indent=indent, break_long_words=False,
                         break_on_hyphens=False)


def reasons():
    """{(file, change): why} of the report that stands. Line numbers may have moved."""
    text = REPORT.read_text() if REPORT.exists() else ""
    entries = re.findall(r"^- `(\S+?):\d+`: (`.+` → `.+`)\n((?:  .+\n)+)", text, re.M)
    return {(f, change): " ".join(why.split()) for f, change, why in entries}


def report(results, lines, rig, seconds):
    why = reasons()
    by = Counter((m.file, v) for m, (v, *_) in results)
    counts = Counter(v for _, (v, *_) in results)
    valid = counts["killed"] + counts["survived"]
    unread = [f for f in LIBRARY if f not in FILES]
    late = [(m, r) for m, r in results if r[0] == "killed" and "llvmpipe" in r[3]]
    out = ["# The mutation pass", ""]
    out += [*wrap("Written by `scripts/mutants.py`; only the reasons under a survivor are written by hand, and they are kept. "
            f"Drivers: {', '.join(d for d, _ in rig.drivers)}. A mutant is one changed line of one file (or two fields of a struct "
            "that change places); it is killed when `elbo check --kernel` fails, crashes or does not end, and invalid (not "
            "counted) when naga refuses it."), ""]
    out += [*wrap(f"{valid} valid mutants: {counts['killed']} killed, {counts['survived']} survived; {counts['invalid']} more were invalid. "
            f"{len(lines)} cotangents of the gradient table, each made 1% too large: "
            f"{sum(k for _, k in lines)} killed. {seconds:.0f} s."), ""]
    out += ["Every barrier is removed once.", *(f"No kernel imports {path(f)}: it is read by the host." for f in unread), ""]
    out += ["| file | killed | survived | invalid |", "| --- | ---: | ---: | ---: |"]
    out += [f"| {path(f)} | {by[f, 'killed']} | {by[f, 'survived']} | {by[f, 'invalid']} |" for f in FILES if any(m.file == f for m, _ in results)]
    out += [f"| gradient table | {sum(k for _, k in lines)} | {sum(not k for _, k in lines)} | 0 |", ""]
    out += ["## Survivors", ""]
    unexplained = 0
    for m, (v, *_) in results:
        if v == "survived":
            reason = why.get((path(m.file), shown(m)), "UNEXPLAINED")
            unexplained += reason == "UNEXPLAINED"
            out += [f"- {place(m)}: {shown(m)}", *wrap(reason, "  ")]
    out += [f"- gradient line {line}: UNEXPLAINED" for line, killed in lines if not killed]
    out += ["", "## Killed by SwiftShader only", ""]
    out += [f"- {place(m)}: {shown(m)}" for m, _ in late] or ["None."]
    return "\n".join(out) + "\n", unexplained + sum(not k for _, k in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="FILE", help="reduce, lib/rng, …, or gradients")
    parser.add_argument("--limit", type=int, metavar="N", help="mutants a file, at most")
    parser.add_argument("--jobs", type=int, choices=(1, 2), default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--list", action="store_true", help="print the mutants and run none")
    a = parser.parse_args()
    unknown = [f for f in a.only or [] if f not in FILES + ["gradients"]]
    if unknown:
        parser.error(f"no file {unknown[0]}; there are {', '.join(FILES)}, gradients")
    files = [f for f in FILES if not a.only or f in a.only]
    if a.smoke:
        todo = [next(m for m in candidates(f) if m.kind == kind) for f, kind in SMOKE]
    else:
        todo = [m for f in files for m in sample(f, a.seed, min(CAPS.get(f, CAP), a.limit or 1000))]
    if a.list:
        for m in todo:
            print(f"{path(m.file)}:{m.line} {m.kind}: {shown(m)}")
        return print(f"{len(todo)} mutants")
    if not LAVAPIPE:
        sys.exit("no lavapipe in /usr/share/vulkan/icd.d (Debian: mesa-vulkan-drivers)")
    lines = []
    with tempfile.TemporaryDirectory(prefix="elbo-mutants-") as folder:
        rig = Rig(folder)
        start = time.time()
        if not a.smoke:
            rig.proves_itself(sorted({k for m in todo for k in kernels_of(m.file)}))
        results = []
        with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
            # The costly ones first, so that no core idles at the end.
            order = sorted(todo, key=lambda m: m.file not in COSTLY)
            for m, r in zip(order, pool.map(rig.attempt, order)):
                results.append((m, r))
                print(f"{r[0]:<9}{r[1]:<12}{place(m)} {shown(m)}  [{r[2].splitlines()[0][:120] if r[2] else ''}]", flush=True)
        results.sort(key=lambda x: todo.index(x[0]))
        if a.smoke:
            lines = gradients(a.jobs, ["mul:0"])
        elif not a.only or "gradients" in a.only:
            lines = gradients(a.jobs)
        for line, killed in lines:
            print(f"{'killed' if killed else 'survived':<21}gradient line {line}")
        text, bad = report(results, lines, rig, time.time() - start)
    if a.smoke:
        bad = [m for m, r in results if r[0] != "killed"] + [x for x, k in lines if not k]
        print(f"{len(results) + len(lines) - len(bad)} of {len(results) + len(lines)} killed, {time.time() - start:.0f} s")
        sys.exit(1 if bad else 0)
    print(text[text.index("\n\n") + 2:])
    if not (a.only or a.limit or a.seed != 1):
        REPORT.write_text(text)
    if bad:
        sys.exit(f"{bad} survivors have no reason in tests/mutants.md")


if __name__ == "__main__":
    main()
