#!/usr/bin/env bash
# Make the files of a folder the only commit of a branch: publish.sh FOLDER BRANCH REMOTE
# GitHub's token comes in GH_TOKEN, so that it stands in no command and in no file.
set -euo pipefail
folder=$1 branch=$2 remote=$3

if [ -z "$(ls "$folder")" ]; then
  echo "$folder is empty: the branch $branch stays as it is." >&2
  exit 1
fi

GIT_DIR=$(mktemp -d)
GIT_WORK_TREE=$(realpath "$folder")
export GIT_DIR GIT_WORK_TREE
trap 'rm -rf "$GIT_DIR"' EXIT

git init --quiet --initial-branch="$branch"
git add --all
git -c user.name="github-actions[bot]" -c user.email="41898282+github-actions[bot]@users.noreply.github.com" \
  commit --quiet --message "Made from ${GITHUB_SHA:-a clone}"
# shellcheck disable=SC2016 # git's shell reads the variable
git -c credential.helper='!token() { echo username=x-access-token; echo "password=$GH_TOKEN"; }; token' \
  push --quiet --force "$remote" "HEAD:refs/heads/$branch"
