# Runs a server for as long as the process that started this one holds the other end of its standard input.
#
# $1: the signal that stops the server; $2: the cluster's directory; $3: whether it is kept; then the server's command.
# A pipe is closed however its holder ends, SIGKILL included. This process is the server's parent, so the server's id is
# not another process's before `wait` has returned.
signal=$1 dir=$2 kept=$3
shift 3
exec 3<&0 </dev/null
"$@" 3<&- >"$dir/log" 2>&1 &
server=$!
{
    read -r _ <&3
    [ -e "$dir/ended" ] || kill -s "$signal" "$server"
} &
holder=$!
wait "$server"
echo "$?" >"$dir/ended"
wait "$holder"
[ "$kept" = true ] || rm -rf "$dir"
