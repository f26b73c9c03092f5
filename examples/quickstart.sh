#!/usr/bin/env bash
# Brings up a real Synapse and a real OpenLDAP with a few people on loopback, runs inviter between them three times,
# shows what each run printed and what the rooms look like, and stops the servers again.
#
#   examples/quickstart.sh          the tour
#   examples/quickstart.sh --keep   the same, then leaves the servers running until you press Enter
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tests/setup --tour
cargo build --locked --bins --examples
exec cargo run --quiet --locked --example quickstart -- "$@"
