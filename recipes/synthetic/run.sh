#!/usr/bin/env bash
# Trains and compares all four embedding strategies on the synthetic corpus.
#
#   recipes/synthetic/run.sh [--stage N] [--stop-stage N] [--exp-dir DIR] [--strategies "hard soft ..."] [-- OPTIONS]
#
# Stages: 1 tagger, 2 anchors, 3 separators, 4 evaluation, 5 the table. Every stage is one verb of uss-plugins,
# does nothing that is done already, and goes on where it was interrupted. OPTIONS go to every verb that reads
# a recipe, such as: -- --set training.steps=100
set -euo pipefail
stage=1 stop_stage=5 exp_dir=exp/synthetic strategies="hard soft latent learnable"
while (($#)); do
  case $1 in
    --stage) stage=$2; shift 2 ;;
    --stop-stage) stop_stage=$2; shift 2 ;;
    --exp-dir) exp_dir=$2; shift 2 ;;
    --strategies) strategies=$2; shift 2 ;;
    --) shift; break ;;
    *) echo "run.sh: unknown option $1; see the head of this file" >&2; exit 2 ;;
  esac
done
here=$(dirname "$0")
verbs=$here/../../.venv/bin/uss-plugins
[[ -x $verbs ]] || verbs=uss-plugins
shared=$exp_dir/shared

runs() { ((stage <= $1 && $1 <= stop_stage)); }

if runs 1; then
  "$verbs" train-tagger "$here/base.yaml" --exp-dir "$shared" --resume "$@"
fi
if runs 2; then
  "$verbs" mine-anchors "$here/base.yaml" --exp-dir "$shared" --resume "$@"
fi
if runs 3; then
  for strategy in $strategies; do
    "$verbs" train "$here/$strategy.yaml" --exp-dir "$exp_dir/$strategy" --shared-dir "$shared" --resume "$@"
  done
fi
if runs 4; then
  for strategy in $strategies; do
    [[ -e $exp_dir/$strategy/model/evaluation/report.html ]] ||
      "$verbs" evaluate "$exp_dir/$strategy/model" "$here/$strategy.yaml" "$@"
  done
fi
if runs 5; then
  # shellcheck disable=SC2086  # one word for each strategy
  "$verbs" compare $(printf "$exp_dir/%s " $strategies)
fi
