#!/usr/bin/env bash
# A recording that the corpus did not make: speech by espeak-ng, mixed by sox with a siren and with noise into a
# 44.1-kHz stereo FLAC, separated by class and scored part by part against the clean tracks.
#
#   recipes/synthetic/real_input.sh MODEL_DIR OUTPUT_DIR
#
# Three mixtures of equally strong parts: speech + siren, speech + noise, and all three. Needs espeak-ng and sox.
set -euo pipefail
(($# == 2)) || { echo "usage: real_input.sh MODEL_DIR OUTPUT_DIR" >&2; exit 2; }
model=$1 out=$2
here=$(dirname "$0")
verbs=$here/../../.venv/bin/uss-plugins
[[ -x $verbs ]] || verbs=uss-plugins
for program in espeak-ng sox; do
  command -v "$program" >/dev/null || { echo "real_input.sh: needs $program; apt-get install $program" >&2; exit 2; }
done
mkdir -p "$out/work"
work=$out/work

# track NAME INPUT EFFECT...: nine seconds of 44.1-kHz stereo with an RMS of 0.05 as NAME.flac
track() {
  sox -R -D "$2" -r 44100 -b 24 "$work/$1.wav" "${@:3}" pad 0 9 trim 0 9
  local rms
  rms=$(sox "$work/$1.wav" -n stat 2>&1 | awk '/RMS +amplitude/ {print $3}')
  sox -R -D "$work/$1.wav" -b 24 "$out/$1.flac" vol "$(awk "BEGIN {print 0.05 / $rms}")"
}

espeak-ng -v en -s 150 -w "$work/spoken.wav" \
  "The quick brown fox jumps over the lazy dog. Meanwhile the old engineer listens, counts to ten, and says it once more."
track Speech "$work/spoken.wav" remix 1 1
sox -R -D -n -r 44100 -b 24 "$work/rise.wav" synth 1.1 sawtooth 500-1300
sox -R -D -n -r 44100 -b 24 "$work/fall.wav" synth 1.15 sawtooth 1300-500
sox -R -D "$work"/{rise,fall,rise,fall,rise,fall,rise,fall}.wav "$work/wail.wav" lowpass 3500
track Siren "$work/wail.wav" remix 1v0.9 1v0.6
sox -R -D -n -r 44100 -c 2 -b 24 "$work/hiss.wav" synth 9 whitenoise
track "White noise" "$work/hiss.wav"

# judge MIXTURE PART...: mix the parts, separate them by their names, score each
judge() {
  local mixture=$out/$1.flac part inputs=() names
  for part in "${@:2}"; do inputs+=(-v 1 "$out/$part.flac"); done
  sox -R -D -m "${inputs[@]}" -b 24 "$mixture"
  names=$(IFS=,; echo "${*:2}")
  "$verbs" separate "$mixture" --model "$model" --classes "$names" --format wav --output-dir "$out" >/dev/null
  for part in "${@:2}"; do
    printf '%s: ' "$1"
    "$verbs" score "$mixture" "$out/$part.flac" "$out/$1/$part.wav"
  done
}
judge speech_and_siren Speech Siren
judge speech_and_noise Speech "White noise"
judge all_three Speech Siren "White noise"
