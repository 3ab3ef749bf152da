#!/usr/bin/env python3
"""Schemathesis against a running server with two studies in it: every operation, mostly with ids that exist.

    python3 bench/fuzz.py target/release/glioscope target/fuzz-venv/bin/schemathesis [SECONDS]

The server runs from a folder that is thrown away, with its limits raised and without workers. Half of the time nothing is
deleted, so that the ids stay good; then everything is tried. Ends with 1 if Schemathesis finds an answer that the API's
description does not know, or if the server itself counted an answer of 500 or more, its log was broken, or it was gone.
"""
import asyncio, json, pathlib, re, subprocess, sys, tempfile

from server import Client, started, upload

# Which ids an operation is tried with: the beginning of its path, and the parameters that mean that kind of thing.
KINDS = [("studies", "id", "study"), ("patients", "id", "patient"), ("series", "id", "series"), ("jobs", "id", "job"),
         ("segmentations", "id", "segmentation"), ("segmentations", "other", "segmentation"), ("models", "id", "model"),
         ("users", "id", "user"), ("uploads", "id", "upload"), ("uploads", "file", "file"), ("runs", "name", "run"),
         ("evaluations", "name", "evaluation")]


async def furnish(port, program, place, cases):
    """Two studies with masks, jobs, an upload that is not finished, a run: an administrator, their token, the ids by kind."""
    client = Client(port)
    password = subprocess.run([program, "user", "add", "fuzz", "--role", "admin", "--data", place], check=True,
                              capture_output=True, text=True).stdout.split()[-1]

    async def ask(method, path, body=None):
        text = b"" if body is None else json.dumps(body).encode()
        status, head, answer = await client.ask(method, f"/api/v1/{path}", text)
        assert status < 400, f"{method} {path}: {status} {answer[:300]!r}"
        return (json.loads(answer) if answer else {}), head

    _, head = await ask("POST", "session", {"name": "fuzz", "password": password})
    client.cookie = re.search(r"set-cookie: ([^;]+)", head, re.I)[1]
    token = (await ask("POST", "tokens", {"name": "fuzz", "scope": "write", "days": 1}))[0]
    for case in sorted(cases.iterdir()):
        _, errors = await upload(client, sorted(case.iterdir()))
        assert not errors, errors
    ids = {"upload": [(await ask("POST", "uploads", {}))[0]["id"]], "run": ["run"], "evaluation": ["run"]}
    for scan in sorted(min(cases.iterdir()).iterdir()):
        path = f"/api/v1/uploads/{ids['upload'][0]}/files/{scan.name}"
        status, _, answer = await client.ask("PUT", path, scan.read_bytes(), "application/octet-stream")
        assert status < 400, f"{path}: {status} {answer[:300]!r}"
    groups = (await ask("GET", f"uploads/{ids['upload'][0]}"))[0]["groups"]
    ids["file"] = [file["id"] for group in groups for file in group["files"]]
    run = place / "runs" / "run"
    run.mkdir(parents=True)
    for name, text in (("metrics.jsonl", '{"step": 0, "train/loss": 1.5}\n'), ("metrics.json", "{}"), ("report.html", "<p>")):
        (run / name).write_text(text)
    studies = [(await ask("GET", f"studies/{row['id']}"))[0] for row in (await ask("GET", "studies"))[0]["items"]]
    ids["study"] = [study["id"] for study in studies]
    ids["patient"] = [study["patient"]["id"] for study in studies]
    ids["series"] = [series["id"] for study in studies for series in study["series"]]
    ids["segmentation"] = [mask["id"] for study in studies for mask in study["segmentations"]]
    ids["job"] = [(await ask("POST", f"studies/{id}/segmentations", {}))[0]["id"] for id in ids["study"]]
    for kind in ("model", "user"):
        listed = (await ask("GET", f"{kind}s"))[0]
        ids[kind] = [row["id"] for row in (listed["items"] if isinstance(listed, dict) else listed)]
    return client, token, ids


def settings(ids):
    """A configuration of Schemathesis: four of five requests name something that exists."""
    lines = [f"[dictionaries.{kind}]\nvalues = {json.dumps(known)}\n" for kind, known in ids.items()]
    for prefix in dict.fromkeys(prefix for prefix, _, _ in KINDS):
        bound = [f'"path.{name}" = {{ dictionary = "{kind}", probability = 0.8 }}'
                 for at, name, kind in KINDS if at == prefix]
        lines.append(f'[[operations]]\ninclude-path-regex = "^/api/v1/{prefix}/"\nparameters = {{ {", ".join(bound)} }}\n')
    return "\n".join(lines)


def failures(metrics):
    """Answers of 500 or more that the server counted, but for 503, which says that it cannot do that now."""
    counted = re.findall(r'^glioscope_requests_total\{(.*)\} (\d+)', metrics, re.M)
    return {labels: int(n) for labels, n in counted if re.search(r'status="5(?!03)\d\d"', labels) and int(n)}


async def measure(program, schemathesis, seconds, folder):
    cases, place, config = folder / "cases", folder / "place", folder / "schemathesis.toml"
    subprocess.run([program, "--quiet", "phantom", "--out", cases, "--seed", "1", "--count", "2"], check=True)
    with started(program, place) as (_, link):
        port = int(link[1])
        client, token, ids = await furnish(port, program, place, cases)
        config.write_text(settings(ids))
        fine = True
        for excluded in (["--exclude-method", "DELETE"], []):
            print(f"{seconds / 2:.0f} s {' '.join(excluded)}", flush=True)
            fine &= subprocess.run(
                [schemathesis, "--config-file", config, "run", f"http://127.0.0.1:{port}/api/openapi.json",
                 "--header", f"Authorization: Bearer {token['secret']}", "--exclude-path", "/api/v1/events", *excluded,
                 "--exclude-checks", "positive_data_acceptance", "--max-time", str(int(seconds / 2))], cwd=folder).returncode == 0
        client = Client(port, client.cookie)  # the server has closed a connection that was silent for so long
        counted = failures((await client.ask("GET", "/metrics"))[2].decode())
        ready = (await client.ask("GET", "/readyz"))[0]
        checked = subprocess.run([program, "check", "--data", place]).returncode
        print(json.dumps({"schemathesis": "fine" if fine else "failures", "answers_of_500": counted, "readyz": ready,
                          "check": checked}))
        return fine and not counted and ready == 200 and checked == 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(path).resolve() for path in sys.argv[1:3]]
        fine = asyncio.run(measure(*paths, float((sys.argv[3:] or ["120"])[0]), pathlib.Path(folder)))
    sys.exit(0 if fine else 1)
