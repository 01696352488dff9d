#!/bin/bash
# step.sh NAME WHAT REMEDY COMMAND...: run one step of the set-up, its output in build/log/NAME.log.
# A failing step shows the end of its log, says what failed and what to do about it.
name=$1 what=$2 remedy=$3
shift 3
mkdir -p build/log
log=build/log/$name.log

# Two makes at once would write to the same folders: the second waits.
exec 9>build/lock
flock 9

echo "lwpy: $what ..."
if ! "$@" >"$log" 2>&1 </dev/null 9>&-; then
    {
        echo
        tail -n 20 "$log" | sed 's/^/    /'
        echo
        echo "lwpy: FAILED: $what. The whole log is in $log."
        echo "lwpy: $remedy"
    } >&2
    exit 1
fi
