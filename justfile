# Daily verbs. `just` lists them; https://just.systems runs them.

_default:
    @just --list --unsorted

# Compile everything, tests and benches included
check:
    cargo check --all-targets --locked

# Run all tests, or those of one binary in tests/, or some of them: `just test media`, `just test pipeline toy_model`
test binary="" word="":
    cargo test --locked {{ if binary == "" { "" } else { "--test " + binary } }} {{ word }}

# Run the unit tests whose name contains a word: `just unit schedule`
unit word:
    cargo test --locked --lib {{ word }}

# Formatting, clippy, rustdoc, dependencies; spelling if `typos` is installed
lint:
    cargo fmt --check
    cargo clippy --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked
    python3 .ci/dependencies.py
    if command -v typos; then typos; fi

# Everything that must pass before a change lands
ci:
    .ci/run

# Make a video with the toy model: `just video "a blue square moves up on a navy background"`
video prompt="a red circle moves right on a black background" out="out.mp4":
    cargo run --release -- generate "{{ prompt }}" -o {{ out }} --overwrite

# Open the window
window:
    cargo run --release

# Run a bench of this crate: loops, history, queue, … (benches/README.md describes all of them)
bench name="loops":
    cargo bench --bench {{ name }}

# Format the sources
fmt:
    cargo fmt
