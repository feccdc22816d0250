#!/usr/bin/env bash
# Trains and compares all four embedding strategies on the synthetic corpus.
#
#   recipes/synthetic/run.sh [--stage N] [--stop-stage N] [--exp-dir DIR] [--strategies "soft hard ..."] [--jobs N]
#                            [-- OPTIONS]
#
# Stages: 1 tagger, 2 anchors, 3 separators, 4 evaluation, 5 the table. Every stage is one verb of uss-plugins,
# does nothing that is done already, and goes on where it was interrupted. Separators are trained --jobs at a time
# (2), which share the processor's cores: two of one thread each get further than one of two threads; the one with
# the most steps goes first, so that the others fill the time beside it. What they
# print is in DIR/STRATEGY.log. OPTIONS go to every verb that reads a recipe, such as: -- --set training.steps=100
set -euo pipefail
stage=1 stop_stage=5 exp_dir=exp/synthetic strategies="soft hard latent learnable" jobs=2
while (($#)); do
  case $1 in
    --stage) stage=$2; shift 2 ;;
    --stop-stage) stop_stage=$2; shift 2 ;;
    --exp-dir) exp_dir=$2; shift 2 ;;
    --strategies) strategies=$2; shift 2 ;;
    --jobs) jobs=$2; shift 2 ;;
    --) shift; break ;;
    *) echo "run.sh: unknown option $1; see the head of this file" >&2; exit 2 ;;
  esac
done
here=$(dirname "$0")
verbs=$here/../../.venv/bin/uss-plugins
[[ -x $verbs ]] || verbs=uss-plugins
shared=$exp_dir/shared

runs() { ((stage <= $1 && $1 <= stop_stage)); }

# one STRATEGY COMMAND...: runs a command with its share of the threads; what it printed is shown if it fails.
one() {
  local log=$exp_dir/$1.log
  echo "$1: $3 begins, see $log"
  if ! OMP_NUM_THREADS=$threads "${@:2}" >>"$log" 2>&1; then
    tail -n 5 "$log" >&2
    return 1
  fi
  echo "$1: $3 done"
}

# each FUNCTION: calls it with every strategy, `jobs` at a time; a failure ends them all.
each() {
  local strategy running=0
  for strategy in $strategies; do
    if ((running == jobs)); then
      wait -n
      running=$((running - 1))
    fi
    "$1" "$strategy" &
    running=$((running + 1))
  done
  for ((; running > 0; running--)); do wait -n; done
}

train() {
  one "$1" "$verbs" train "$here/$1.yaml" --exp-dir "$exp_dir/$1" --shared-dir "$shared" --resume "${options[@]}"
}

evaluate() {
  [[ -e $exp_dir/$1/model/evaluation/report.html ]] ||
    one "$1" "$verbs" evaluate "$exp_dir/$1/model" "$here/$1.yaml" "${options[@]}"
}

options=("$@")
threads=${OMP_NUM_THREADS:-$(($(nproc) > jobs ? $(nproc) / jobs : 1))}
trap 'for pid in $(jobs -pr); do pkill -P "$pid" || true; done' EXIT

if runs 1; then
  "$verbs" train-tagger "$here/base.yaml" --exp-dir "$shared" --resume "$@"
fi
if runs 2; then
  "$verbs" mine-anchors "$here/base.yaml" --exp-dir "$shared" --resume "$@"
fi
mkdir -p "$exp_dir"
if runs 3; then each train; fi
if runs 4; then each evaluate; fi
if runs 5; then
  # shellcheck disable=SC2086  # one word for each strategy
  "$verbs" compare $(printf "$exp_dir/%s " $strategies)
fi
