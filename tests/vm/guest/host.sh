# shellcheck shell=bash
# For the tests of what happens to VEs when the host goes down and comes up: those that the one boot leaves for the next are where a
# user's are, and not in a folder of the test. Sourced after lib/common.sh.
ctl() { "$VZCTL" "$@"; }
init_of() { sed -n 's/^INIT=//p' "/vz/lock/$1.state"; }
booted() { [ "$(ctl exec2 201 systemctl is-system-running --wait 2>/dev/null)" = running ]; }
