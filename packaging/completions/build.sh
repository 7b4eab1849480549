#!/bin/sh
# build.sh ACTIX DIR: writes the completion scripts into DIR, named as the shells want them: actix (bash), _actix (zsh),
# actix.fish.
set -eu
actix=$1 dir=$2
mkdir -p "$dir"
"$actix" completion bash > "$dir/actix"
"$actix" completion zsh > "$dir/_actix"
"$actix" completion fish > "$dir/actix.fish"
