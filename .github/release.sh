#!/usr/bin/env bash
# Publish the files of a folder as the release of the tag that this run is for: release.sh FOLDER
# gh uploads all of them to a draft before anybody sees it, and refuses a release that is there already.
set -euo pipefail
gh release create "$GITHUB_REF_NAME" --verify-tag --title "$GITHUB_REF_NAME" --notes-file .github/release.md "$1"/*
