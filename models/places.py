"""Where a file of the catalogue may come from: a folder that the site names (a stick), or a release address.

Both give what is asked for or say in one sentence why not: a wrong file, a web page in its place, a line that is dead.
Neither waits for long, and nothing gets its final name that is not one of the accepted files."""
import hashlib
import http.client
import os
import sys
import threading
import urllib.error
import urllib.request

FOLDER = "GRIDPOST_MODELS_FROM"
SILENCE_S = 8              # an address that does not answer, or stops sending
ANSWER_S = 15              # until it begins to send, the name service and all its addresses together
DOWNLOAD_S = 240           # 3.7 MB over 20 kB/s, and some
SAY_EVERY_S = 5            # so that a slow line does not look like a hang
BLOCK_BYTES = 1 << 16


class Problem(Exception):
    """One sentence: what went wrong, and what to do."""


class Absent(Problem):
    """The site's folder is not named, or does not have the file: no mistake, only a reason to look further."""


def say(text):
    print(f"models/fetch: {text}", file=sys.stderr, flush=True)


def digest(path, kind="sha256"):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, kind).digest()


def is_right(path, accepted):
    """Whether it is one of the accepted files, each a (sha256, bytes); 0 bytes: any length."""
    return os.path.isfile(path) and digest(path).hex() in [sha256 for sha256, _ in accepted]


def what_it_is(path, accepted):
    """Of a file that is not right: what it is instead."""
    size = os.path.getsize(path)
    if looks_like_a_page(path):
        return f"a web page of {size:,} bytes and not the file"
    wanted = " or ".join(f"{length:,} bytes with {sha256[:12]}…" for sha256, length in accepted)
    return f"not the pinned file: {size:,} bytes with sha256 {digest(path).hex()[:12]}…, expected {wanted}"


def looks_like_a_page(path):
    with open(path, "rb") as file:
        return file.read(256).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def from_folder(name, accepted, to):
    """Copies a file of the folder that the site names. It is the copy that is checked."""
    folder = os.environ.get(FOLDER)
    if not folder:
        raise Absent(f"{FOLDER} names no folder")
    path = os.path.join(folder, name)
    try:
        if not os.path.isdir(folder):
            raise Problem(f"{FOLDER}={folder} is not a folder that can be read")
        if not os.path.isfile(path):
            raise Absent(f"{FOLDER}={folder} has no {name}")
        most = max(length for _, length in accepted) or os.path.getsize(path)
        with open(path, "rb") as source, open(to, "wb") as part:
            copy(source, part, most)
        if not is_right(to, accepted):
            raise Problem(f"{path} is {what_it_is(path, accepted)}")
    except OSError as error:
        raise Problem(f"{path} cannot be read ({error.strerror or error})") from None
    return path


def copy(source, target, most):
    """So many bytes and one more, by which a file that is too long is known."""
    left = most + 1
    while left > 0 and (block := source.read(min(BLOCK_BYTES, left))):
        target.write(block)
        left -= len(block)


def from_release(address, accepted, to):
    """Fetches a file by HTTP. What it waits for is bounded, whatever the line or the name service does."""
    answered, outcome = threading.Event(), []

    def fetch():
        try:
            outcome.append(request(address, accepted, to, answered))
        except OSError as error:           # URLError and TimeoutError too
            reason = getattr(error, "reason", None) or error.strerror or error
            outcome.append(f"{address} cannot be fetched ({reason})")
        except (http.client.HTTPException, ValueError) as error:
            outcome.append(f"{address} gives no answer that can be read ({error or type(error).__name__})")

    # A daemon: a name service that hangs does not hold the end of the program.
    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    waited = 0
    while thread.is_alive():
        limit = DOWNLOAD_S if answered.is_set() else ANSWER_S
        if waited >= limit:
            what = f"is not done after {limit} s" if answered.is_set() else f"does not answer within {limit} s"
            raise Problem(f"{address} {what}")
        thread.join(SAY_EVERY_S)
        waited += SAY_EVERY_S
        if thread.is_alive():
            say(f"  … still working ({waited} s)")
    reason = outcome[0] if outcome else f"{address} cannot be fetched, for a reason that stands above"
    if reason:
        raise Problem(reason)


def request(address, accepted, to, answered):
    """None, or why the file is not there."""
    asked = urllib.request.Request(address, headers={"User-Agent": "gridpost models/fetch"})
    try:
        with urllib.request.urlopen(asked, timeout=SILENCE_S) as response:
            answered.set()
            kind = response.headers.get_content_type()
            with open(to, "wb") as file:
                copy(response, file, max(length for _, length in accepted))
    except urllib.error.HTTPError as error:
        return f"{address} answers {error.code} {error.reason}".rstrip()
    if is_right(to, accepted):
        return None
    if kind == "text/html" or looks_like_a_page(to):
        return f"{address} answers a web page and not the file (a sign-in page of this network, or a proxy?)"
    return f"what {address} sends is {what_it_is(to, accepted)}"
