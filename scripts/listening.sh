# listening.sh, read by other scripts.
#
# listening LOG PID: waits until the server PID has written to LOG where it listens, and prints that URL.  False when the
# server has ended, or has said nothing for half a minute.  LOG exists before the server is started.
listening() {
    local url
    for _ in $(seq 300); do
        url=$(sed -n 's|.*listening on \(http://[0-9.:]*\).*|\1|p' "$1" | head -n 1)
        [ -z "$url" ] || { echo "$url"; return 0; }
        kill -0 "$2" 2> /dev/null || return 1
        sleep 0.1
    done
    return 1
}
