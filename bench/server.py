#!/usr/bin/env python3
"""Load on the application: 50 uploads at once, then 1,000 reads of the worklist a second for a minute.

    python3 bench/server.py target/release/glioscope [SECONDS]

The server runs from a folder that is thrown away, without workers, with its limits raised; requests come from this
process over loopback, so both share the machine's cores. Prints a line of JSON for each: errors, the 50th, 95th and 99th
percentile in ms, the server's peak memory in MiB, and how many cores the server and this process kept busy. Ends with 1
if a request failed or the rate was not kept.
"""
import asyncio, contextlib, json, os, pathlib, re, subprocess, sys, tempfile, time

UPLOADS, RATE, CONNECTIONS = 50, 1000, 32


class Client:
    """One connection that is kept."""

    def __init__(self, port, cookie=""):
        self.port, self.cookie, self.reader = port, cookie, None

    async def ask(self, method, path, body=b"", kind="application/json"):
        if self.reader is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = (f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nCookie: {self.cookie}\r\nX-Glioscope: 1\r\n"
                f"Sec-Fetch-Site: same-origin\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n")
        self.writer.write(head.encode() + body)
        await self.writer.drain()
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = int(head.split(" ", 2)[1])
        length = re.search(r"content-length: (\d+)", head, re.I)
        if length:
            answer = await self.reader.readexactly(int(length[1]))
        elif "transfer-encoding: chunked" in head.lower():
            answer = b""
            while size := int(await self.reader.readline(), 16):
                answer += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
        else:
            answer = b""
        return status, head, answer


def percentiles(seconds):
    ordered = sorted(seconds)
    return {f"p{p}_ms": round(1000 * ordered[min(len(ordered) - 1, len(ordered) * p // 100)], 2) for p in (50, 95, 99)}


def peak_mib(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) // 1024


TICKS = os.sysconf("SC_CLK_TCK")


class Cores:
    """How many cores the server and this process keep busy from now on."""

    def __init__(self, pid):
        self.pid, self.began, self.before = pid, time.perf_counter(), self.seconds(pid)

    @staticmethod
    def seconds(pid):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS, time.process_time()

    def busy(self):
        took, now = time.perf_counter() - self.began, self.seconds(self.pid)
        names = ("server_cores", "client_cores")
        return {name: round((b - a) / took, 2) for name, a, b in zip(names, self.before, now)}


async def upload(client, scans):
    """One examination: an upload, four files, commit."""
    began = time.perf_counter()
    errors = []

    async def must(method, path, body=b"", kind="application/json"):
        status, _, answer = await client.ask(method, path, body, kind)
        if status >= 400:
            errors.append(f"{method} {path}: {status} {answer[:200]!r}")
        return json.loads(answer) if answer else {}

    there = await must("POST", "/api/v1/uploads", b"{}")
    for scan in scans:
        await must("PUT", f"/api/v1/uploads/{there['id']}/files/{scan.name}", scan.read_bytes(), "application/octet-stream")
    groups = (await must("GET", f"/api/v1/uploads/{there['id']}"))["groups"]
    commit = {"groups": [{"key": group["key"], "segment": False} for group in groups]}
    await must("POST", f"/api/v1/uploads/{there['id']}/commit", json.dumps(commit).encode())
    return time.perf_counter() - began, errors


async def read_worklist(port, cookie, seconds):
    """Reads begin at the rate asked for, whether or not earlier ones were answered."""
    waits, errors, due = [], [], asyncio.Queue()

    async def reader():
        client = Client(port, cookie)
        while (at := await due.get()) is not None:
            status, _, answer = await client.ask("GET", "/api/v1/studies?limit=50")
            waits.append(time.perf_counter() - at)
            if status != 200:
                errors.append(f"{status} {answer[:200]!r}")

    readers = [asyncio.create_task(reader()) for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    for tick in range(int(seconds * 100)):
        await asyncio.sleep(max(0.0, began + tick / 100 - time.perf_counter()))
        for _ in range(RATE // 100):
            due.put_nowait(time.perf_counter())
    for _ in readers:
        due.put_nowait(None)
    await asyncio.gather(*readers)
    return waits, errors, time.perf_counter() - began


RAISED = {"GLIOSCOPE_LIMITS__REQUESTS_PER_SECOND": "1000000", "GLIOSCOPE_LIMITS__REQUESTS_BURST": "1000000",
          "GLIOSCOPE_LIMITS__UPLOADS_MIB": "1000000", "GLIOSCOPE_WORKER__COUNT": "0"}


@contextlib.contextmanager
def started(program, place):
    """A server on an empty folder, and the link that it printed: its port, and the way in."""
    serve = [program, "serve", "--listen", "127.0.0.1:0", "--data", place, "--no-demo"]
    server = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ | RAISED, text=True)
    try:
        yield server, re.search(r"http://127\.0\.0\.1:(\d+)(/enter\S+)", server.stdout.readline())
    finally:
        server.terminate()
        server.wait(30)


async def measure(program, seconds, folder):
    cases = folder / "cases"
    subprocess.run([program, "--quiet", "phantom", "--out", cases, "--seed", "1"], check=True)
    scans = sorted(path for path in next(cases.iterdir()).iterdir() if "seg" not in path.name)
    with started(program, folder / "place") as (server, link):
        port = int(link[1])
        _, head, _ = await Client(port).ask("GET", link[2])
        cookie = re.search(r"set-cookie: ([^;]+)", head, re.I)[1]
        cores = Cores(server.pid)
        sent = await asyncio.gather(*(upload(Client(port, cookie), scans) for _ in range(UPLOADS)))
        errors = [error for _, some in sent for error in some]
        mib = sum(scan.stat().st_size for scan in scans) / 2**20
        print(json.dumps({"work": f"{UPLOADS} uploads at once, {mib:.1f} MiB each", "errors": len(errors),
                          **percentiles([took for took, _ in sent]), "peak_mib": peak_mib(server.pid), **cores.busy()}),
              flush=True)
        cores = Cores(server.pid)
        waits, wrong, took = await read_worklist(port, cookie, seconds)
        print(json.dumps({"work": f"{RATE} worklist reads a second", "reads": len(waits), "seconds": round(took, 1),
                          "a_second": round(len(waits) / took), "errors": len(wrong), **percentiles(waits),
                          "peak_mib": peak_mib(server.pid), **cores.busy()}), flush=True)
        if took > 1.02 * seconds:
            wrong.append(f"the last answer came after {took:.1f} s instead of {seconds:.0f}: the rate was not kept")
        for error in (errors + wrong)[:5]:
            print(error, file=sys.stderr)
        return not (errors or wrong)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        fine = asyncio.run(measure(pathlib.Path(sys.argv[1]).resolve(), float((sys.argv[2:] or ["60"])[0]), pathlib.Path(folder)))
    sys.exit(0 if fine else 1)
