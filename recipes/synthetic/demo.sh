#!/usr/bin/env bash
# From nothing to a judged separation in minutes: corpus, tagger, anchors, separator, evaluation, report.
#
#   recipes/synthetic/demo.sh [--exp-dir DIR] [--audio FILE]
#
# With --audio, the recording is separated too, into every class that is detected in it and the residual.
set -euo pipefail
exp_dir=exp/demo audio=
while (($#)); do
  case $1 in
    --exp-dir) exp_dir=$2; shift 2 ;;
    --audio) audio=$2; shift 2 ;;
    *) echo "demo.sh: unknown option $1; see the head of this file" >&2; exit 2 ;;
  esac
done
here=$(dirname "$0")
verbs=$here/../../.venv/bin/uss-plugins
[[ -x $verbs ]] || verbs=uss-plugins

"$verbs" train-tagger "$here/demo.yaml" --exp-dir "$exp_dir" --resume
"$verbs" mine-anchors "$here/demo.yaml" --exp-dir "$exp_dir" --resume
"$verbs" train "$here/demo.yaml" --exp-dir "$exp_dir" --resume
"$verbs" evaluate "$exp_dir/model" "$here/demo.yaml"
if [[ -n $audio ]]; then
  "$verbs" separate "$audio" --model "$exp_dir/model" --residual --output-dir "$exp_dir/separated"
fi
