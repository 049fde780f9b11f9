#!/bin/sh
# Every kind of bad input: one sentence that names what is wrong, exit code 1 or 2, the last good checkpoint untouched.
#   tests/bad-input.sh path/to/elbo
# Prints the command, the message and the exit code of each case. Exit code 0 where all are as they should be.
# In bash too, `ulimit -f` counts blocks of 512 bytes.
if (set -o posix) 2> /dev/null; then set -o posix; fi
[ $# -eq 1 ] || { echo "usage: $0 path/to/elbo" >&2; exit 2; }
elbo=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
export NODEVICE_SELECT=1
unset RUST_BACKTRACE
top=$(mktemp -d) || exit 2
mounted=
trap 'for m in $mounted; do umount "$m"; done; rm -rf "$top"' EXIT
cd "$top" || exit 2
passed=0 failed=0 skipped=0

# --- what the cases are made of -------------------------------------------------------------------------------------

# be N: N as four big-endian bytes.
be() { printf "\\$(printf %o $(($1 >> 24 & 255)))\\$(printf %o $(($1 >> 16 & 255)))\\$(printf %o $(($1 >> 8 & 255)))\\$(printf %o $(($1 & 255)))"; }
# images N: an IDX file of N pictures of 8×8.
images() { be 2051; be "$1"; be 8; be 8; head -c $(($1 * 64)) /dev/zero | tr '\000' '\100'; }
labels() { be 2049; be "$1"; head -c "$1" /dev/zero; }
# set NAME: a folder of data, good.
set_of() { mkdir "$1" && images 64 > "$1/train-images-idx3-ubyte" && images 16 > "$1/t10k-images-idx3-ubyte"; }
# flip FILE OFFSET: other bits in one byte.
flip() {
    old=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
    printf "\\$(printf %o $((old ^ 16)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
small="--quiet --set model.hidden=[16] --set model.latent=4 --set train.batch=16"
train() { echo "train vae --data good --device cpu $small --steps 8 --set checkpoint.every=5 $*"; }

# refused NAME CODE WORD… -- COMMAND…: the command fails with this code and one line on stderr, which holds the words;
# nothing on stdout; and the run `run` is byte for byte what it was.
refused() {
    name=$1 code=$2; shift 2
    words=
    while [ "$1" != -- ]; do words="$words$1
"; shift; done
    shift
    "$@" > out 2> err < /dev/null
    found=$?
    fault=
    [ $found -eq "$code" ] || fault="$fault; exit code $found, not $code"
    [ "$(wc -l < err)" -eq 1 ] || fault="$fault; $(wc -l < err) lines"
    [ -s out ] && fault="$fault; something on stdout"
    grep -q '^elbo: ' err || fault="$fault; it does not begin with \`elbo: \`"
    grep -qi 'panicked\|backtrace' err && fault="$fault; a panic"
    while IFS= read -r word; do
        [ -z "$word" ] || grep -qF -- "$word" err || fault="$fault; no \`$word\`"
    done <<END
$words
END
    [ "$(tree run)" = "$untouched" ] || fault="$fault; the good run was touched"
    verdict "$name" "$fault" "$@"
}
tree() { find "$1" -type f -exec cksum {} + | sort; }
verdict() {
    name=$1 fault=$2; shift 2
    if [ -z "$fault" ]; then passed=$((passed + 1)); mark=ok; else failed=$((failed + 1)); mark="FAILED${fault#;}"; fi
    echo "[$mark] $name"
    echo "  \$ $*" | sed "s|$elbo|elbo|"
    sed 's/^/  /' err
    echo "  exit code $found"
}
skip() { skipped=$((skipped + 1)); echo "[skipped] $1: $2"; }

set_of good
"$elbo" $(train --out run) > out 2> err || { cat err; echo "the good run failed"; exit 1; }
untouched=$(tree run)
last=run/checkpoints/step-8.safetensors
ls $last > /dev/null || exit 1

# --- data -----------------------------------------------------------------------------------------------------------

any="train vae $small --steps 2 --out new" new="$any --device cpu"
refused 'a data folder that is not there' 2 no-such-folder -- "$elbo" $new --data no-such-folder
refused 'a misspelt data set' 2 mnits 'did you mean `mnist`' -- "$elbo" $new --data mnits
refused 'a file in place of the data folder' 2 $last -- "$elbo" $new --data $last
mkdir empty
refused 'a data folder without data' 1 empty train-images -- "$elbo" $new --data empty
mkdir dangling && ln -s /nonexistent dangling/train-images-idx3-ubyte
refused 'data that cannot be read: a dangling link' 1 dangling/train-images -- "$elbo" $new --data dangling
mkdir folder && mkdir folder/train-images-idx3-ubyte
refused 'data that cannot be read: a folder' 1 folder/train-images -- "$elbo" $new --data folder
if [ "$(id -u)" -ne 0 ]; then
    set_of secret && chmod 000 secret/train-images-idx3-ubyte
    refused 'data that may not be read' 1 secret/train-images -- "$elbo" $new --data secret
else
    skip 'data that may not be read' 'root may read everything'
fi

{ be 2051; be 64; be 8; be 8; head -c 4096 "$elbo"; } > whole
bad() { mkdir "$1" && cat > "$1/train-images-idx3-ubyte"; }
head -c 3000 whole | bad truncated
refused 'a truncated IDX' 1 truncated/train-images 'cut off' 3000 -- "$elbo" $new --data truncated
head -c 9 whole | bad header
refused 'an IDX that ends in its header' 1 header/train-images 'cut off' -- "$elbo" $new --data header
: | bad nothing
refused 'an empty IDX' 1 nothing/train-images -- "$elbo" $new --data nothing
{ cat whole; echo more; } | bad oversized
refused 'an oversized IDX' 1 oversized/train-images 'more than' -- "$elbo" $new --data oversized
{ be 2051; be 4000000000; be 4000000000; be 4000000000; } | bad huge
refused 'an IDX that declares more than there can be' 1 huge/train-images 4000000000 -- "$elbo" $new --data huge
labels 64 | bad magic
refused 'a wrong magic number' 1 magic/train-images '00 00 08 01' -- "$elbo" $new --data magic
echo 'this is no IDX file at all' | bad text
refused 'a file of text' 1 text/train-images 'no IDX file' -- "$elbo" $new --data text
{ be 2051; be 0; be 8; be 8; } | bad none
refused 'an IDX without pictures' 1 none/train-images 'holds nothing' -- "$elbo" $new --data none
gzip -c whole | head -c 300 | bad early
refused 'a gzip that ends early' 1 early/train-images 'cut off' -- "$elbo" $new --data early
{ cat whole; head -c 50000000 /dev/zero; } | gzip -c | bad bomb
refused 'a gzip that unpacks on and on' 1 bomb/train-images 'beyond' -- "$elbo" $new --data bomb
{ be 2051; be 1000000; be 28; be 28; } | gzip -c | bad hollow
refused 'a gzip that declares what it cannot hold' 1 hollow/train-images 'cannot unpack' -- "$elbo" $new --data hollow
gzip -c whole | bad flipped && flip flipped/train-images-idx3-ubyte 200
refused 'a gzip with a flipped bit' 1 flipped/train-images -- "$elbo" $new --data flipped
set_of labelled && labels 63 > labelled/train-labels-idx1-ubyte
refused 'labels that do not match the images' 1 labelled/train-labels 63 64 -- "$elbo" $new --data labelled
mkdir orphan && labels 64 > orphan/train-labels-idx1-ubyte
refused 'labels without images' 1 orphan/train-labels -- "$elbo" $new --data orphan
set_of sizes && { be 2051; be 16; be 4; be 4; head -c 256 /dev/zero; } > sizes/t10k-images-idx3-ubyte
refused 'test images of another size' 1 sizes '8 × 8' '4 × 4' -- "$elbo" $new --data sizes
refused 'fewer images than a batch' 2 64 train.batch -- "$elbo" $new --data good --set train.batch=65

# --- words ----------------------------------------------------------------------------------------------------------

new="$new --data good" any="$any --data good"
refused 'an unknown recipe' 2 '`vea`' 'did you mean `vae`' -- "$elbo" train vea --out new
refused 'a recipe file that is not there' 2 ./no.toml -- "$elbo" train ./no.toml --out new
echo '[model' > broken.toml
refused 'a recipe file that is no TOML' 2 'broken.toml, line 1' -- "$elbo" train ./broken.toml --out new
head -c 100 /dev/urandom > bytes.toml; printf '\377' >> bytes.toml
refused 'a recipe file of bytes' 2 bytes.toml -- "$elbo" train ./bytes.toml --out new
for case in train.batch=0 train.batch=-1 train.batch=many model.latent=0 model.hidden=[400,0] model.hidden=400 \
    model.activation=rule model.beta=-1 optimizer.learning_rate=0 optimizer.learning_rate=nan optimizer.beta1=1 \
    optimizer.kind=adamw data.binarise=maybe data.validation=64 checkpoint.dtype=f8 train.seed=-1 train.epochs=1e99 \
    train.alternate=[1] train.alternate=[0,1] train.pretrain=1 classifier.classes=1 classifier.freeze=true \
    classifier.from=run model.latnet=3; do
    refused "a bad value: $case" 2 "${case%%=*}" -- "$elbo" $new --set "$case"
done
refused 'a setting without a value' 2 train.batch -- "$elbo" $new --set train.batch
refused 'a classifier without labels' 2 good 'no labels' -- "$elbo" $new --set classifier.classes=2
refused 'fine-tuning without labels' 2 good 'no labels' -- "$elbo" finetune run --device cpu --quiet --out new
refused 'fine-tuning of no run' 2 good config.toml -- "$elbo" finetune good --device cpu --out new
refused 'an unknown device' 2 '`cuda`' 'gpu:NAME' -- "$elbo" $any --device cuda

# --- run folders ----------------------------------------------------------------------------------------------------

refused 'a run folder that exists' 2 'run exists' --resume --force -- "$elbo" $(train --out run)
refused 'resuming with another setting' 2 train.seed -- "$elbo" $(train --out run --resume --seed 2)
refused 'resuming what is not there' 2 nowhere -- "$elbo" $(train --out nowhere --resume)
refused 'resuming a folder that is no run' 2 good config.toml -- "$elbo" $(train --out good --resume)
for command in eval sample reconstruct interpolate encode; do
    refused "elbo $command of no run" 2 good config.toml -- "$elbo" $command good --device cpu
done
cp -r run fresh && rm -r fresh/checkpoints
refused 'a run without a checkpoint' 1 fresh 'no checkpoint' -- "$elbo" eval fresh --device cpu
refused 'more memory than allowed' 1 --max-memory 1024 -- "$elbo" $new --max-memory 1KiB
[ -e new ] && { failed=$((failed + 1)); echo '[FAILED] something left the folder `new`'; }

# --- checkpoints ----------------------------------------------------------------------------------------------------

# one NAME: a run whose only checkpoint is the last.
one() { cp -r run "$1" && rm "$1/checkpoints/step-5.safetensors"; }
size=$(wc -c < $last)
header=$(od -An -tu8 -N 8 $last | tr -d ' ')
damaged() {
    refused "$1" 1 "$2/checkpoints/step-8.safetensors" 'cannot be used' -- "$elbo" eval "$2" --device cpu
    refused "$1, resumed" 1 "$2/checkpoints/step-8.safetensors" 'cannot be used' -- "$elbo" $(train --out "$2" --resume)
}
one cut && truncate -s $((size - 1)) cut/checkpoints/step-8.safetensors
damaged 'a truncated checkpoint' cut
one blank && : > blank/checkpoints/step-8.safetensors
damaged 'an empty checkpoint' blank
i=0
for place in 0 7 20 $((header / 2)) $((header + 9)) $(((header + size) / 2)) $((size - 1)); do
    i=$((i + 1))
    one flip$i && flip flip$i/checkpoints/step-8.safetensors "$place"
    damaged "a checkpoint with a flipped bit in byte $place" flip$i
done
"$elbo" $(train --set model.hidden=[24] --out wide) > out 2> err || cat err
one shapes && cp wide/checkpoints/step-8.safetensors shapes/checkpoints/
damaged 'a checkpoint of other shapes' shapes
"$elbo" $(train --out auto | sed 's/train vae/train ae/') > out 2> err || cat err
one model && cp auto/checkpoints/step-8.safetensors model/checkpoints/
damaged 'a checkpoint of another model' model
"$elbo" $(train --set model.activation=tanh --out tanh) > out 2> err || cat err
one activation && cp tanh/checkpoints/step-8.safetensors activation/checkpoints/
damaged 'a checkpoint of the same shapes and another model' activation
one older && mv older/checkpoints/step-8.safetensors older/checkpoints/step-8 && mkdir older/checkpoints/step-8.safetensors
refused 'a folder in place of a checkpoint' 1 older/checkpoints/step-8.safetensors -- "$elbo" eval older --device cpu

# --- disks ----------------------------------------------------------------------------------------------------------

# A limit of 512-byte blocks for one file: the settings fit, a checkpoint does not.
limited() { (ulimit -f "$1"; shift; exec "$@"); }
refused 'a full disk: no room for a checkpoint' 1 limit/checkpoints/step-5.safetensors -- \
    limited 8 "$elbo" $(train --out limit)
[ -z "$(ls limit/checkpoints)" ] || { failed=$((failed + 1)); echo '[FAILED] a part of a checkpoint was left'; }
refused 'a full disk: no room for the metrics' 1 lines/metrics.jsonl -- \
    limited 4 "$elbo" $(train --out lines --set train.log_every=1 --set checkpoint.every=0 --epochs 25 | sed 's/--steps 8//')
refused 'a full disk: no room for a picture' 1 no.png -- limited 1 "$elbo" sample run --device cpu --out no.png
refused 'a full disk: no room for codes' 1 no.csv -- limited 1 "$elbo" encode run --device cpu --out no.csv
[ -e no.png ] || [ -e no.csv ] && { failed=$((failed + 1)); echo '[FAILED] a part of a file was left'; }
# A run that fills its disk keeps its last good checkpoint.
cp -r run full
longer=$(train --out full --resume | sed 's/--steps 8/--steps 20/')
limited 8 "$elbo" $longer > out 2> err
found=$? fault=
[ $found -eq 1 ] || fault="; exit code $found, not 1"
grep -q '^elbo: cannot write full/checkpoints/step-10.safetensors' err || fault="$fault; no such sentence"
cmp -s $last full/checkpoints/step-8.safetensors || fault="$fault; the checkpoint was touched"
ls full/checkpoints/*.tmp > /dev/null 2>&1 && fault="$fault; a temporary file was left"
verdict 'a resumed run whose disk is full' "$fault" limited 8 "$elbo" $longer

mkdir disk
if mount -t tmpfs -o size=64k none disk 2> /dev/null; then
    mounted=$PWD/disk
    refused 'a full disk: a tmpfs of 64 KiB' 1 disk/r/checkpoints/ 'No space left' -- \
        "$elbo" $(train --out disk/r --set model.hidden=[32])
    rm -r disk/r && cp -r run/config.toml disk/
    mount -o remount,ro disk
    refused 'a read-only folder: a new run' 1 disk/r 'Read-only' -- "$elbo" $(train --out disk/r)
    refused 'a read-only folder: codes' 1 disk/codes.npy 'Read-only' -- \
        "$elbo" encode run --device cpu --out disk/codes.npy
    refused 'a read-only folder: a picture' 1 disk/a.png 'Read-only' -- "$elbo" sample run --device cpu --out disk/a.png
else
    skip 'a small and a read-only tmpfs' 'mounting is not permitted'
fi
if [ -e /dev/full ]; then
    onto_full() { "$@" > /dev/full; }
    refused 'a full disk under the result' 1 'cannot write the output' 'No space' -- onto_full "$elbo" eval run --device cpu
    refused 'a full disk under a list' 1 'cannot write the output' -- onto_full "$elbo" recipes
    refused 'a full disk under a check' 1 'cannot write the output' -- onto_full "$elbo" check --device cpu --kernel fill
    "$elbo" eval nowhere 2> /dev/full
    found=$? fault=
    : > err
    [ $found -eq 2 ] || fault="; exit code $found, not 2"
    verdict 'a full disk under the messages' "$fault" "$elbo" eval nowhere '2> /dev/full'
else
    skip 'a full disk under the output' 'there is no /dev/full'
fi
refused 'a run folder where none can be made' 1 /proc/elbo -- "$elbo" $(train --out /proc/elbo)
refused 'a run folder below a file' 1 "$last/r" -- "$elbo" $(train --out $last/r)
refused 'a picture below a file' 1 "$last/a.png" -- "$elbo" sample run --device cpu --out $last/a.png
refused 'codes in a folder that is not there' 1 nowhere/a.csv -- "$elbo" encode run --device cpu --out nowhere/a.csv
refused 'codes in a file of another kind' 2 a.txt .npy -- "$elbo" encode run --device cpu --out a.txt

# --- devices --------------------------------------------------------------------------------------------------------

export VK_ICD_FILENAMES=/nonexistent VK_DRIVER_FILES=/nonexistent
refused 'a GPU where there is none' 1 'no graphics adapter' '--device cpu' -- "$elbo" $any --device gpu
refused 'a GPU by number where there is none' 1 '0' 'elbo devices' -- "$elbo" $any --device gpu:0
refused 'a GPU for a run where there is none' 1 'no graphics adapter' -- "$elbo" eval run --device gpu

echo
[ $skipped -eq 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
