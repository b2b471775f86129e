#!/usr/bin/python3
"""onvif.py [options]: the ONVIF side of a camera on a free port of loopback: its clock, its services, pull-point events.

Prints its address, then a line for each thing it was asked: the SOAP operation, with `refused` behind it where it was.
Takes orders on standard input, a line each, and ends when that closes:
    on, off            motion begins, ends
    lose               all subscriptions are forgotten, as after a restart of the camera
    rude WHAT          the next answer is truncated | 500 | garbage | silent (the connection closes) | empty
Users are checked as cameras do it: a token (WS-Security UsernameToken, PasswordDigest) must be fresh in the camera's own
time and its nonce new; HTTP Digest (MD5, qop=auth) must have a nonce we gave and a rising count.

Only Python's own library is needed."""
import argparse
import base64
import datetime
import hashlib
import os
import re
import sys
import threading
import time
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SKEW_S = 5                      # how old a token may be
SUBSCRIPTIONS_MAX = 2           # cameras have few
NONCE_USES = 4                  # then HTTP Digest is stale, as it is after a while
REALM = "camera"
SOAP = "http://www.w3.org/2003/05/soap-envelope"
SCHEMA = "http://www.onvif.org/ver10/schema"
NAMES = (f'xmlns:env="{SOAP}" xmlns:tds="http://www.onvif.org/ver10/device/wsdl" '
         'xmlns:tev="http://www.onvif.org/ver10/events/wsdl" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" '
         'xmlns:wsa="http://www.w3.org/2005/08/addressing" xmlns:ter="http://www.onvif.org/ver10/error" '
         f'xmlns:tns1="http://www.onvif.org/ver10/topics" xmlns:tt="{SCHEMA}" xmlns:own="http://camera.example/own"')


class Camera:
    def __init__(self, options):
        self.options, self.lock = options, threading.Condition()
        self.moves, self.rude, self.number = False, [], 0
        self.subscriptions = {}     # id -> [messages, ends at]
        self.tokens, self.digests = set(), {}

    def now(self):
        return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.options.clock_off)

    def notice(self, operation):
        topic, name = self.options.topic.split("=")
        value = str(self.moves).lower()
        return (f'<wsnt:NotificationMessage><wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">'
                f'{topic}</wsnt:Topic><wsnt:Message><tt:Message UtcTime="{stamp(self.now())}" PropertyOperation="{operation}">'
                '<tt:Source><tt:SimpleItem Name="VideoSourceConfigurationToken" Value="V1"/>'
                '<tt:SimpleItem Name="Rule" Value="R1"/></tt:Source>'
                f'<tt:Data><tt:SimpleItem Name="{name}" Value="{value}"/></tt:Data></tt:Message></wsnt:Message>'
                '</wsnt:NotificationMessage>')

    def order(self, line):
        with self.lock:
            if line in ("on", "off"):
                self.moves = line == "on"
                for messages, _ in self.subscriptions.values():
                    messages.append(self.notice("Changed"))
            elif line == "lose":
                self.subscriptions.clear()
            elif line.startswith("rude "):
                self.rude.append(line.removeprefix("rude "))
            self.lock.notify_all()

    # ---- who asks

    def token_is_good(self, header):
        find = lambda name: next((one.text or "" for one in header.iter() if one.tag.endswith("}" + name)), None)
        user, digest, nonce, created = (find(name) for name in ("Username", "Password", "Nonce", "Created"))
        if None in (user, digest, nonce, created) or nonce in self.tokens:
            return False
        expected = base64.b64encode(hashlib.sha1(
            base64.b64decode(nonce) + created.encode() + self.options.password.encode()).digest()).decode()
        age = abs((self.now() - datetime.datetime.fromisoformat(created.replace("Z", "+00:00"))).total_seconds())
        if user == self.options.user and digest == expected and age <= SKEW_S:
            self.tokens.add(nonce)
            return True
        return False

    def digest_is_good(self, text, method, path):
        if not text or not text.lower().startswith("digest "):
            return False
        parts = {name: plain or quoted for name, quoted, plain in
                 re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', text[7:])}
        md5 = lambda text: hashlib.md5(text.encode()).hexdigest()
        nonce, count = parts.get("nonce", ""), int(parts.get("nc", "0"), 16)
        if self.digests.get(nonce, NONCE_USES) >= min(count, NONCE_USES) or parts.get("uri") != path:
            return False
        secret = md5(f"{self.options.user}:{REALM}:{self.options.password}")
        expected = md5(f"{secret}:{nonce}:{parts['nc']}:{parts.get('cnonce', '')}:auth:{md5(f'{method}:{path}')}")
        if parts.get("username") != self.options.user or parts.get("response") != expected:
            return False
        self.digests[nonce] = count
        return True


def stamp(at):
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args):
        pass

    def do_POST(self):
        camera, options = self.server.camera, self.server.camera.options
        body = self.rfile.read(int(self.headers["Content-Length"]))
        tree = ET.fromstring(body)
        header, action = tree.find(f"{{{SOAP}}}Header"), tree.find(f"{{{SOAP}}}Body")[0]
        name = action.tag.split("}")[1]
        with camera.lock:
            rude = camera.rude.pop(0) if camera.rude and name != "GetSystemDateAndTime" else None
        if rude:
            print(f"{name} {rude}", flush=True)
            return self.be_rude(rude)
        if name != "GetSystemDateAndTime":
            if "digest" in options.auth and not camera.digest_is_good(self.headers["Authorization"], "POST", self.path):
                print(f"{name} challenged", flush=True)
                nonce = os.urandom(8).hex()
                camera.digests[nonce] = 0
                return self.answer(401, "", f'Digest realm="{REALM}", qop="auth", nonce="{nonce}", algorithm=MD5')
            if "token" in options.auth and not camera.token_is_good(header):
                print(f"{name} refused", flush=True)
                return self.fault(400, "ter:NotAuthorized", "Sender not Authorized")
        print(name, flush=True)
        return getattr(self, name, self.unknown)(action, header)

    # ---- operations

    def GetSystemDateAndTime(self, _action, _header):
        now = self.server.camera.now()
        self.soap("<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType>"
                  f"<tt:UTCDateTime><tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
                  f"<tt:Second>{now.second}</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}</tt:Year>"
                  f"<tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date></tt:UTCDateTime>"
                  "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>")

    def GetCapabilities(self, action, header):
        if self.server.camera.options.services_only:
            return self.unknown(action, header)
        events = f"<tt:Events><tt:XAddr>{self.address('/onvif/events')}</tt:XAddr></tt:Events>"
        none = self.server.camera.options.no_events
        return self.soap("<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Device><tt:XAddr>http://x/</tt:XAddr></tt:Device>"
                         f"{'' if none else events}</tds:Capabilities></tds:GetCapabilitiesResponse>")

    def GetServices(self, _action, _header):
        service = lambda kind, path: (f"<tds:Service><tds:Namespace>http://www.onvif.org/ver10/{kind}/wsdl</tds:Namespace>"
                                      f"<tds:XAddr>{self.address(path)}</tds:XAddr></tds:Service>")
        events = "" if self.server.camera.options.no_events else service("events", "/onvif/events")
        self.soap(f"<tds:GetServicesResponse>{service('media', '/onvif/media')}{events}</tds:GetServicesResponse>")

    def CreatePullPointSubscription(self, _action, _header):
        camera = self.server.camera
        with camera.lock:
            now = time.monotonic()
            camera.subscriptions = {key: one for key, one in camera.subscriptions.items() if one[1] > now}
            if len(camera.subscriptions) >= SUBSCRIPTIONS_MAX:
                return self.fault(500, "wsnt:SubscribeCreationFailedFault", "too many subscriptions")
            camera.number += 1
            number = str(camera.number)
            camera.subscriptions[number] = [[camera.notice("Initialized")], now + camera.options.lives]
        if camera.options.reference:
            where, more = self.address("/onvif/events"), (
                f"<wsa:ReferenceParameters><own:SubscriptionId>{number}</own:SubscriptionId></wsa:ReferenceParameters>")
        else:
            where, more = self.address(f"/onvif/subscription?Idx={number}&amp;x=1"), ""
        return self.soap("<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference>"
                         f"<wsa:Address>{where}</wsa:Address>{more}</tev:SubscriptionReference>"
                         f"<wsnt:CurrentTime>{stamp(camera.now())}</wsnt:CurrentTime>"
                         f"<wsnt:TerminationTime>{stamp(camera.now())}</wsnt:TerminationTime>"
                         "</tev:CreatePullPointSubscriptionResponse>")

    def PullMessages(self, action, header):
        camera = self.server.camera
        timeout = float(re.fullmatch(r"PT([\d.]+)S", action.find("{*}Timeout").text).group(1))
        limit, until = int(action.find("{*}MessageLimit").text), time.monotonic() + timeout
        with camera.lock:
            while True:
                one = camera.subscriptions.get(self.number(header))
                if one is None or one[1] < time.monotonic():
                    return self.fault(500, "ter:ResourceUnknownFault", "no such subscription")
                one[1] = max(one[1], time.monotonic() + camera.options.lives)
                left = until - time.monotonic()
                if one[0] or left <= 0:
                    break
                camera.lock.wait(left)
            messages, one[0][:] = one[0][:limit], one[0][limit:]
        return self.soap(f"<tev:PullMessagesResponse><tev:CurrentTime>{stamp(camera.now())}</tev:CurrentTime>"
                         f"<tev:TerminationTime>{stamp(camera.now())}</tev:TerminationTime>"
                         f"{''.join(messages)}</tev:PullMessagesResponse>")

    def Renew(self, action, header):
        camera = self.server.camera
        if camera.options.no_renew:
            return self.unknown(action, header)
        with camera.lock:
            one = camera.subscriptions.get(self.number(header))
            if one is None:
                return self.fault(500, "ter:ResourceUnknownFault", "no such subscription")
            one[1] = time.monotonic() + camera.options.lives
        return self.soap("<wsnt:RenewResponse/>")

    def Unsubscribe(self, _action, header):
        camera = self.server.camera
        with camera.lock:
            camera.subscriptions.pop(self.number(header), None)
            camera.lock.notify_all()
        self.soap("<wsnt:UnsubscribeResponse/>")

    def unknown(self, _action, _header):
        self.fault(500, "ter:ActionNotSupported", "Action Not Implemented")

    # ---- how it is answered

    def number(self, header):
        if self.server.camera.options.reference:
            return next((one.text for one in header if one.tag == "{http://camera.example/own}SubscriptionId"), None)
        found = re.search(r"Idx=(\d+)&x=1$", self.path)
        return found and found.group(1)

    def address(self, path):
        """Behind NAT, a camera tells where it is in there."""
        host = "10.98.76.54:8899" if self.server.camera.options.nat else f"127.0.0.1:{self.server.server_port}"
        return f"http://{host}{path}"

    def soap(self, body, status=200):
        self.answer(status, f'<?xml version="1.0" encoding="UTF-8"?>\n<env:Envelope {NAMES}><env:Body>{body}</env:Body></env:Envelope>')

    def fault(self, status, code, reason):
        self.soap("<env:Fault><env:Code><env:Value>env:Sender</env:Value><env:Subcode>"
                  f"<env:Value>{code}</env:Value></env:Subcode></env:Code><env:Reason>"
                  f'<env:Text xml:lang="en">{reason}</env:Text></env:Reason></env:Fault>', status)

    def answer(self, status, text, challenge=None):
        data = text.encode()
        self.send_response(status)
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Type", "application/soap+xml; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.close_connection = True
        try:
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            pass                    # who asked has gone

    def be_rude(self, how):
        if how == "500":
            return self.answer(500, "<html>Internal Server Error</html>")
        if how == "garbage":
            return self.answer(200, "\x00\x01 \xff not xml & <")
        if how == "empty":
            return self.answer(200, "")
        if how == "truncated":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n<?xml version=\"1.0\"?><env:Envelope><env:Bo")
        self.close_connection = True
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", default="p&ss w0rd")
    parser.add_argument("--auth", nargs="*", choices=("token", "digest"), default=["token"])
    parser.add_argument("--clock-off", type=float, default=0, help="seconds that the camera's clock is ahead")
    parser.add_argument("--topic", default="tns1:RuleEngine/CellMotionDetector/Motion=IsMotion")
    parser.add_argument("--lives", type=float, default=60, help="seconds that a subscription lives unpulled")
    for flag in ("no-events", "nat", "reference", "services-only", "no-renew"):
        parser.add_argument(f"--{flag}", action="store_true")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.camera = True, Camera(parser.parse_args())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}/onvif/device_service", flush=True)
    for line in sys.stdin:
        server.camera.order(line.strip())


if __name__ == "__main__":
    main()
