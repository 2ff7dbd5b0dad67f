"""Headers of requests and answers, for servers, clients and the gateway alike."""

# Id of a request: sent back, stored, and joined by. It has no control characters.
REQUEST_ID_HEADER = "x-request-id"
REQUEST_ID_PATTERN = r"[\x21-\x7e]{1,128}"
# The sticky key, by default.
KEY_HEADER = "x-faultline-key"
# By the client: the arm that is to answer.
LABEL_HEADER = "x-faultline-label"
# By the gateway: the arm whose answer the client gets, and the salt of the rollout.
ARM_HEADER = "x-faultline-arm"
ROLLOUT_HEADER = "x-faultline-rollout"
# By the gateway: on the copy of a request, whose answer no client gets.
COPY_HEADER = "x-faultline-copy"
# Of an answer: the version that gave it.
VERSION_HEADER = "x-faultline-version"
