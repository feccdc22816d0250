#!/usr/bin/env bash
# From AudioSet's files to evaluated models.
#
#   recipes/audioset/run.sh --audioset DIR [--weights DIR | --fetch] [--recipes "balanced_soft full_soft ..."]
#                           [--stage N] [--stop-stage N] [--exp-dir DIR] [--jobs N] [--device cpu|cuda]
#                           [--indexes DIR [--root DIR]] [-- OPTIONS]
#
# Stages: 1 pack, 2 index, 3 import weights, 4 mine anchors, 5 train, 6 make evaluation pairs, 7 evaluate,
# 8 the table. Every stage is verbs of uss-plugins, does nothing that is done already, and goes on where it was
# interrupted. --recipes names files of this folder. --weights is a folder with the two published PANNs files;
# --fetch downloads them. --indexes is a folder with {balanced_train,full_train,eval}.h5 of clips that are packed
# already, to begin with at stage 3; --root is what relative paths in them start from. OPTIONS go to every verb that reads a recipe and trains, such as: -- --devices 8
#
# DIR holds metadata/{balanced_train,eval}_segments.csv and audios/{balanced_train,eval}_segments/Y<YTID>.wav;
# for full_* recipes also metadata/unbalanced_train_segments/unbalanced_train_segments_partNN.csv and
# audios/unbalanced_train_segments/unbalanced_train_segments_partNN/.
set -euo pipefail
stage=1 stop_stage=8 exp_dir=exp/audioset recipes=balanced_soft
audioset=audioset weights="" fetch="" jobs=$(nproc) device=() indexes="" root=""
while (($#)); do
  case $1 in
    --stage) stage=$2; shift 2 ;;
    --stop-stage) stop_stage=$2; shift 2 ;;
    --exp-dir) exp_dir=$2; shift 2 ;;
    --audioset) audioset=$2; shift 2 ;;
    --weights) weights=$2; shift 2 ;;
    --fetch) fetch=yes; shift ;;
    --indexes) indexes=$2; shift 2 ;;
    --root) root=$2; shift 2 ;;
    --recipes) recipes=$2; shift 2 ;;
    --jobs) jobs=$2; shift 2 ;;
    --device) device=(--device "$2"); shift 2 ;;
    --) shift; break ;;
    *) echo "run.sh: unknown option $1; see the head of this file" >&2; exit 2 ;;
  esac
done
here=$(dirname "$0")
indexes=${indexes:-$exp_dir/indexes}
verbs=$here/../../.venv/bin/uss-plugins
[[ -x $verbs ]] || verbs=uss-plugins

runs() { ((stage <= $1 && $1 <= stop_stage)); }
# Which training data a recipe is for, by its name.
data_of() { if [[ $1 == full* ]]; then echo full; else echo balanced; fi; }
# Options that put this experiment's paths into a recipe.
paths() {
  if [[ $1 != *_csv ]]; then
    printf '%s\n' --set "corpus.indexes.train=$indexes/$(data_of "$1")_train.h5" \
      --set "corpus.indexes.test=$indexes/eval.h5"
    [[ -z $root ]] || printf '%s\n' --set "corpus.root=$root"
  fi
  printf '%s\n' --set "query_net.weights=$exp_dir/weights/cnn14" \
    --set "detector.weights=$exp_dir/weights/cnn14_decision_level_max"
}
needs_full=""
for recipe in $recipes; do
  [[ $(data_of "$recipe") == full ]] && needs_full=yes
done
shopt -s nullglob
parts=("$exp_dir"/hdf5/unbalanced_train_segments_part*.h5)

if runs 1; then
  for split in balanced_train eval; do
    "$verbs" pack "$audioset/metadata/${split}_segments.csv" --audio-dir "$audioset/audios/${split}_segments" \
      --output "$exp_dir/hdf5/$split.h5" --jobs "$jobs"
  done
  if [[ $needs_full ]]; then
    for csv in "$audioset"/metadata/unbalanced_train_segments/*.csv; do
      part=$(basename "$csv" .csv)
      "$verbs" pack "$csv" --audio-dir "$audioset/audios/unbalanced_train_segments/$part" \
        --output "$exp_dir/hdf5/$part.h5" --jobs "$jobs"
    done
    parts=("$exp_dir"/hdf5/unbalanced_train_segments_part*.h5)
  fi
fi
if runs 2; then
  for split in balanced_train eval; do
    "$verbs" pack-index "$exp_dir/hdf5/$split.h5" --output "$exp_dir/indexes/$split.h5" --relative
  done
  if [[ $needs_full ]]; then
    "$verbs" pack-index "$exp_dir/hdf5/balanced_train.h5" "${parts[@]}" \
      --output "$exp_dir/indexes/full_train.h5" --relative
  fi
fi
if runs 3; then
  for net in "cnn14 Cnn14_mAP=0.431.pth" "cnn14_decision_level_max Cnn14_DecisionLevelMax_mAP=0.385.pth"; do
    read -r name file <<<"$net"
    [[ -e $exp_dir/weights/$name/weights.safetensors ]] && continue
    if [[ $fetch ]]; then
      path=$("$verbs" fetch "$name")
    elif [[ $weights ]]; then
      path=$weights/$file
    else
      echo "run.sh: stage 3 needs the PANNs files: --weights DIR with $file, or --fetch" >&2
      exit 2
    fi
    "$verbs" import "$path" --query-net "$name" --output "$exp_dir/weights/$name"
  done
fi
if runs 4; then
  for recipe in $recipes; do
    mapfile -t own < <(paths "$recipe")
    "$verbs" mine-anchors "$here/$recipe.yaml" --exp-dir "$exp_dir/shared_$(data_of "$recipe")" \
      "${device[@]}" "${own[@]}" "$@"
  done
fi
if runs 5; then
  for recipe in $recipes; do
    mapfile -t own < <(paths "$recipe")
    "$verbs" train "$here/$recipe.yaml" --exp-dir "$exp_dir/$recipe" \
      --shared-dir "$exp_dir/shared_$(data_of "$recipe")" --resume "${device[@]}" "${own[@]}" "$@"
  done
fi
if runs 6; then
  first=${recipes%% *}
  mapfile -t own < <(paths "$first")
  for split in train test; do
    "$verbs" make-pairs "$here/$first.yaml" --exp-dir "$exp_dir/shared_$(data_of "$first")" --split "$split" \
      --output "$exp_dir/pairs" "${own[@]}"
  done
fi
if runs 7; then
  for recipe in $recipes; do
    [[ -e $exp_dir/$recipe/model/evaluation/report.html ]] ||
      "$verbs" evaluate "$exp_dir/$recipe/model" "$here/$recipe.yaml" "${device[@]}" \
        --pairs "$exp_dir/pairs/2s_segments_test"
  done
fi
if runs 8; then
  # shellcheck disable=SC2086  # one word for each recipe
  "$verbs" compare $(printf "$exp_dir/%s " $recipes)
fi
