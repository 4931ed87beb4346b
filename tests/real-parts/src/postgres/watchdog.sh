# Runs a server for as long as the process that started this one holds the other end of its standard input.
#
# $1: the signal that stops the server; $2: the cluster's directory; $3: whether it is kept; $4: a file that is there once this
# server has ended, and no other's; then the server's command.
#
# A pipe is closed however its holder ends, SIGKILL included. This process is the server's parent, so the server's id is
# not another process's before `wait` has returned. A process group that is stopped when its holder ends is hung up by the
# kernel: nothing ends of that here.
signal=$1 dir=$2 kept=$3 ended=$4
shift 4
trap '' HUP
exec 3<&0 </dev/null
"$@" 3<&- >"$dir/log" 2>&1 &
server=$!
{
    read -r _ <&3
    [ -e "$ended" ] || kill -s "$signal" "$server"
} &
holder=$!
wait "$server"
echo "$?" >"$ended"
wait "$holder"
if [ "$kept" = true ]; then rm -f "$ended"; else rm -rf "$dir"; fi
