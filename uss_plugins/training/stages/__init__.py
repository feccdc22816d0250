"""The stages of a recipe: tagger, anchors, separator. Each leaves files, and does nothing twice.

An experiment's folder:

cache/                        rendered clips, where the recipe caches its corpus
tagger/                       stage 1: recipe.yaml, weights.safetensors, classes.csv, tagger.json, logs
                              (not there when the recipe gives that net's weights)
anchors/{train,valid,test}.npz, anchors.json, recipe.yaml
model/                        stage 2's result: the model folder
training.json, recipe.yaml, checkpoints/, logs/

A stage's `recipe.yaml` is there from its start: what it was begun with.
"""
