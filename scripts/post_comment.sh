#!/bin/sh
# Posts comment.md on the merge request or pull request of this CI job: post_comment.sh COMMENT.md
#
# GitLab: set FAULTLINE_COMMENT_TOKEN, a masked variable with a project token of scope `api`.
# GitHub: GITHUB_TOKEN with `pull-requests: write`, and PULL_REQUEST, the number.
# Without a token the text stays in the job's artifacts; that is no failure.
set -eu
comment=$1

post() { # URL HEADER
    # The header comes from a file descriptor: arguments are seen by every account of the machine.
    printf '%s\n' "$2" | curl --silent --show-error --fail --output /dev/null --max-time 60 \
        --retry 2 --header @- --data-binary "@$body" --header 'Content-Type: application/json' "$1"
}

body=$(mktemp)
trap 'rm -f "$body"' EXIT
python3 -c 'import json, sys; print(json.dumps({"body": open(sys.argv[1], encoding="utf-8").read()}))' \
    "$comment" >"$body"

if [ -n "${FAULTLINE_COMMENT_TOKEN:-}" ] && [ -n "${CI_MERGE_REQUEST_IID:-}" ]; then
    post "$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes" \
        "PRIVATE-TOKEN: $FAULTLINE_COMMENT_TOKEN"
    echo "The comment is on merge request $CI_MERGE_REQUEST_IID."
elif [ -n "${GITHUB_TOKEN:-}" ] && [ -n "${PULL_REQUEST:-}" ]; then
    post "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues/$PULL_REQUEST/comments" \
        "Authorization: Bearer $GITHUB_TOKEN"
    echo "The comment is on pull request $PULL_REQUEST."
else
    echo "No token or no merge request: the comment is only in $comment, in the job's artifacts."
fi
