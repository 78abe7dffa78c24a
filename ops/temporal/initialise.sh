#!/bin/sh
# Makes the namespace and its search attributes, where they are not there yet. TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE say where.
set -eu

RETENTION=168h # as local/temporal_server.py
KEYWORDS="TraderId UserId Tier TraderStatus Symbol Mode" # workflows/ids.py; a test compares the two

# A namespace that has just been made is known to all of the server only some seconds later.
patiently() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        "$@" && return
        sleep 2
    done
    echo "gave up: $*" >&2
    exit 1
}

temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
    temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
patiently temporal operator namespace update --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"

known=$(patiently temporal operator search-attribute list --namespace "$TEMPORAL_NAMESPACE")
for name in $KEYWORDS; do
    echo "$known" | grep -qw "$name" ||
        patiently temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" --name "$name" --type Keyword
done
