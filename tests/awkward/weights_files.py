"""Weight files byte by byte: safetensors, archives of torch.save, a hub on the loopback interface. Standard library only."""
import binascii
import hashlib
import http.server
import json
import struct
import threading
import urllib.parse

SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "I8": 1, "U8": 1, "BOOL": 1}


def safetensors(tensors, metadata=None):
    """tensors: {name: (dtype, shape, bytes, or a number that is repeated as float32)}. metadata: "null" writes a null."""
    entries, data = {}, b""
    if metadata is not None:
        entries["__metadata__"] = None if metadata == "null" else metadata
    for name, (dtype, shape, content) in tensors.items():
        count = 1
        for size in shape:
            count *= size
        if not isinstance(content, bytes):
            content = struct.pack("<f", content) * count if dtype == "F32" else bytes(count * SIZES[dtype])
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def zip_file(members):
    """Stored members, without compression: {name: bytes}."""
    body, directory = b"", b""
    for name, content in members.items():
        name, crc = name.encode(), binascii.crc32(content)
        sizes = struct.pack("<IIIHH", crc, len(content), len(content), len(name), 0)
        directory += b"PK\1\2" + struct.pack("<HHHHHH", 20, 20, 0, 0, 0, 0) + sizes + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name
        body += b"PK\3\4" + struct.pack("<HHHHH", 20, 0, 0, 0, 0) + sizes + name + content
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(directory), len(body), 0)
    return body + directory + b"PK\5\6" + end


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return b"X" + struct.pack("<I", len(value)) + value


def tensor(key="0", elements=1):
    """The pickle of a tensor of so many floats."""
    integer = lambda n: b"J" + struct.pack("<i", n)
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + integer(elements) + b"tQ"
    sizes = integer(0) + b"(" + integer(elements) + b"t(" + integer(1) + b"t"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + sizes + b"\x89ccollections\nOrderedDict\n)RtR"


def torch_archive(program, storages=None):
    members = {"archive/data.pkl": b"\x80\x02" + program}
    members |= {f"archive/data/{key}": content for key, content in (storages or {"0": bytes(4)}).items()}
    return zip_file(members)


COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves {name: bytes} as the repository o/n; `damage` is called with each file's bytes before they are sent."""

    def __init__(self, files, damage=None, small=()):
        self.files, self.asked = files, []
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                self.do_GET(body=False)

            def do_GET(self, body=True):
                hub.asked.append(self.path)
                if self.path.startswith("/api/models/"):
                    listing = {"sha": COMMIT, "siblings": [{"rfilename": name} for name in hub.files]}
                    return self.send(json.dumps(listing).encode(), {}, body)
                name = urllib.parse.unquote(self.path.split(f"/resolve/{COMMIT}/")[-1])
                content = hub.files[name]
                etag = (hashlib.sha1(b"blob %d\0" % len(content) + content) if name in small else hashlib.sha256(content)).hexdigest()
                sent = damage(name, content) if damage else content
                self.send(sent, {"ETag": f'"{etag}"', "X-Linked-Size": str(len(content))}, body)

            def send(self, content, headers, body):
                self.send_response(200)
                for key, value in (headers | {"Content-Length": str(len(content))}).items():
                    self.send_header(key, value)
                self.end_headers()
                if body:
                    self.wfile.write(content)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
