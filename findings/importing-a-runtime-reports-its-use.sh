#!/usr/bin/env bash
# What most people expect: a runtime for exported models computes on this machine and connects to no
# server. On Linux, ONNX Runtime was known to send nothing.
#
# What is true: `import openvino` and, in recent versions, `import onnxruntime` connect to analytics
# servers, and write an identifier into the home folder at the first import. No model is needed for
# that. OpenVINO does not report if the package openvino_telemetry cannot be imported; NNCF uses the
# same package. ONNX Runtime does not report if ORT_DISABLE_TELEMETRY is 1 before its import.
#
# Where it matters: cameras in closed networks (a proxy or firewall sees the connections), read-only
# or missing home folders, and promises about the privacy of footage.
#
# A local proxy stands for the network: it notes the host of each request and refuses it, so nothing
# leaves this machine.
set -euo pipefail

folder=$(mktemp -d)
proxy=
trap '[ -z "$proxy" ] || kill "$proxy"; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
python="$folder/venv/bin/python"
"$python" -m pip install --quiet onnxruntime==1.32.0 openvino==2026.4.1 openvino-telemetry==2025.2.0
"$python" -m pip list 2>/dev/null | grep -E "^(onnxruntime|openvino)"

cat > "$folder/proxy.py" <<'PYTHON'
import socket
import threading

server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)


def refuse(connection):
    request = connection.recv(4096).split(b"\r\n")[0].decode(errors="replace")
    print(*request.split()[:2], flush=True)
    connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
    connection.close()


while True:
    threading.Thread(target=refuse, args=(server.accept()[0],), daemon=True).start()
PYTHON
"$python" "$folder/proxy.py" > "$folder/requests" &
proxy=$!
until [ -s "$folder/requests" ]; do sleep 0.2; done
address="http://127.0.0.1:$(head -1 "$folder/requests")"

# Runs Python code with an empty home folder, and prints the requests and files that it caused.
reports() {
    mkdir -p "$folder/home"
    before=$(wc -l < "$folder/requests")
    env -i PATH="$PATH" HOME="$folder/home" HTTP_PROXY="$address" HTTPS_PROXY="$address" \
        http_proxy="$address" https_proxy="$address" "$python" -c "$1; import time; time.sleep(10)"
    tail -n "+$((before + 1))" "$folder/requests" | sort -u
    (cd "$folder/home" && find . -type f | sort)
    rm -rf "$folder/home"
}

echo "import openvino:"
openvino=$(reports "import openvino")
echo "$openvino"
echo "import onnxruntime:"
onnxruntime=$(reports "import onnxruntime")
echo "$onnxruntime"
echo "switched off before the import:"
quiet=$(reports "import os, sys; sys.modules['openvino_telemetry'] = None
os.environ['ORT_DISABLE_TELEMETRY'] = '1'
import openvino, onnxruntime")
echo "${quiet:-nothing}"

grep -q "CONNECT www.google-analytics.com" <<< "$openvino"
grep -q "intel/openvino_ga_cid" <<< "$openvino"
grep -q "CONNECT mobile.events.data.microsoft.com" <<< "$onnxruntime"
grep -q "deviceid" <<< "$onnxruntime"
[ -z "$quiet" ]
