#!/usr/bin/python3
"""onvif.py [options]: the ONVIF side of a camera on a free port of loopback: its clock, services, streams, pull-point events.

Prints its address, then a line for each thing it was asked: the SOAP operation, with `refused` behind it where it was.
Takes orders on standard input, a line each, and ends when that closes:
    on, off            motion begins, ends
    lose               all subscriptions are forgotten, as after a restart of the camera
    rude WHAT          the next answer is truncated | 500 | garbage | silent (the connection closes) | empty | huge |
                       endless | loop (a redirect to itself) | elsewhere (a redirect to another host)
    stream PROFILE     as --profile: offered from now on, in place of the one with this token
    drop TOKEN         this profile is no longer offered
--profile TOKEN=CODEC,WIDTHxHEIGHT,URI[,SOURCE[,ENCODER]] is a stream; the URI is told as it stands. --discovery answers
WS-Discovery on a free port of loopback too, and prints it second: `discovery 127.0.0.1:PORT`; --multicast joins the group
of WS-Discovery instead, for trials by hand.
Users are checked as cameras do it: a token (WS-Security UsernameToken, PasswordDigest) must be fresh in the camera's own
time and its nonce new; HTTP Digest (MD5, qop=auth) must have a nonce we gave and a rising count.

Only Python's own library is needed."""
import argparse
import base64
import datetime
import hashlib
import os
import re
import socket
import ssl
import sys
import threading
import time
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

SKEW_S = 5                      # how old a token may be
SUBSCRIPTIONS_MAX = 2           # cameras have few
NONCE_USES = 4                  # then HTTP Digest is stale, as it is after a while
REALM = "camera"
SOAP = "http://www.w3.org/2003/05/soap-envelope"
SCHEMA = "http://www.onvif.org/ver10/schema"
NAMES = (f'xmlns:env="{SOAP}" xmlns:tds="http://www.onvif.org/ver10/device/wsdl" '
         'xmlns:tev="http://www.onvif.org/ver10/events/wsdl" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" '
         'xmlns:wsa="http://www.w3.org/2005/08/addressing" xmlns:ter="http://www.onvif.org/ver10/error" '
         'xmlns:trt="http://www.onvif.org/ver10/media/wsdl" xmlns:tr2="http://www.onvif.org/ver20/media/wsdl" '
         f'xmlns:tns1="http://www.onvif.org/ver10/topics" xmlns:tt="{SCHEMA}" xmlns:own="http://camera.example/own"')
GROUP = ("239.255.255.250", 3702)


LINES = threading.Lock()


def say(line):
    """Whole, whoever else says something."""
    with LINES:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


class Profile:
    """TOKEN=CODEC,WIDTHxHEIGHT,URI[,SOURCE[,ENCODER]]"""
    def __init__(self, text):
        self.token, rest = text.split("=", 1)
        codec, size, self.uri, *more = rest.split(",")
        self.codec, (self.width, self.height) = codec, size.split("x")
        self.source, self.encoder = (more + ["V1", f"E-{self.token}"][len(more):])[:2]

    def format(self, two):
        gop = "" if two else f"<tt:{self.codec}><tt:GovLength>50</tt:GovLength></tt:{self.codec}>"
        return (f"<tt:Name>e</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>{self.codec}</tt:Encoding><tt:Resolution>"
                f"<tt:Width>{self.width}</tt:Width><tt:Height>{self.height}</tt:Height></tt:Resolution>"
                "<tt:Quality>4</tt:Quality><tt:RateControl><tt:FrameRateLimit>25</tt:FrameRateLimit>"
                "<tt:EncodingInterval>1</tt:EncodingInterval><tt:BitrateLimit>4096</tt:BitrateLimit></tt:RateControl>"
                f"{gop}<tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type></tt:Address><tt:Port>0</tt:Port><tt:TTL>0</tt:TTL>"
                "<tt:AutoStart>false</tt:AutoStart></tt:Multicast><tt:SessionTimeout>PT60S</tt:SessionTimeout>")

    def xml(self, two, vague):
        source = ("<tt:Name>s</tt:Name><tt:UseCount>1</tt:UseCount>"
                  f"<tt:SourceToken>{self.source}</tt:SourceToken><tt:Bounds x=\"0\" y=\"0\" width=\"9\" height=\"9\"/>")
        if two:
            inside = "" if vague else self.format(True)
            return (f'<tr2:Profiles token="{self.token}"><tr2:Name>{self.token} stream</tr2:Name><tr2:Configurations>'
                    f'<tr2:VideoSource token="C-{self.source}">{source}</tr2:VideoSource>'
                    f'<tr2:VideoEncoder token="{self.encoder}" GovLength="50">{inside}</tr2:VideoEncoder>'
                    "</tr2:Configurations></tr2:Profiles>")
        return (f'<trt:Profiles token="{self.token}" fixed="true"><tt:Name>{self.token} stream</tt:Name>'
                f'<tt:VideoSourceConfiguration token="C-{self.source}">{source}</tt:VideoSourceConfiguration>'
                f'<tt:VideoEncoderConfiguration token="{self.encoder}">{self.format(False)}</tt:VideoEncoderConfiguration>'
                "</trt:Profiles>")


class Camera:
    def __init__(self, options):
        self.options, self.lock = options, threading.Condition()
        self.moves, self.rude, self.number = False, [], 0
        self.subscriptions = {}     # id -> [messages, ends at]
        self.tokens, self.digests = set(), {}
        self.profiles = {one.token: one for one in map(Profile, options.profile)}

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
            elif line.startswith("stream "):
                one = Profile(line.removeprefix("stream "))
                self.profiles[one.token] = one
            elif line.startswith("drop "):
                del self.profiles[line.removeprefix("drop ")]
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
        if options.moved and not self.path.startswith("/moved"):
            say(f"{name} sent on")
            return self.send_on(f"/moved{self.path}")
        with camera.lock:
            rude = camera.rude.pop(0) if camera.rude and name != "GetSystemDateAndTime" else None
        if rude:
            say(f"{name} {rude}")
            return self.be_rude(rude)
        if name != "GetSystemDateAndTime":
            if "digest" in options.auth and not camera.digest_is_good(self.headers["Authorization"], "POST", self.path):
                say(f"{name} challenged")
                nonce = os.urandom(8).hex()
                camera.digests[nonce] = 0
                return self.answer(401, "", f'Digest realm="{REALM}", qop="auth", nonce="{nonce}", algorithm=MD5')
            if "token" in options.auth and not camera.token_is_good(header):
                say(f"{name} refused")
                return self.fault(400, "ter:NotAuthorized", "Sender not Authorized")
        say(name)
        if not options.auth and ("Authorization" in self.headers or b"UsernameToken" in body):
            say(f"{name} named")    # who asks said who it is, and nobody wanted to know
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
        media = f"<tt:Media><tt:XAddr>{self.address('/onvif/media')}</tt:XAddr></tt:Media>"
        camera = self.server.camera
        return self.soap("<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Device><tt:XAddr>http://x/</tt:XAddr></tt:Device>"
                         f"{'' if camera.options.no_events else events}{media if camera.profiles else ''}"
                         "</tds:Capabilities></tds:GetCapabilitiesResponse>")

    def GetServices(self, action, header):
        options = self.server.camera.options
        if options.capabilities_only:
            return self.unknown(action, header)
        service = lambda kind, path: (f"<tds:Service><tds:Namespace>http://www.onvif.org/{kind}/wsdl</tds:Namespace>"
                                      f"<tds:XAddr>{self.address(path)}</tds:XAddr><tds:Version><tt:Major>2</tt:Major>"
                                      "<tt:Minor>0</tt:Minor></tds:Version></tds:Service>")
        events = "" if options.no_events else service("ver10/events", "/onvif/events")
        two = service("ver20/media", "/onvif/media2") if options.media2 else ""
        return self.soap(f"<tds:GetServicesResponse>{service('ver10/media', '/onvif/media')}{two}{events}"
                         "</tds:GetServicesResponse>")

    def GetDeviceInformation(self, _action, _header):
        self.soap("<tds:GetDeviceInformationResponse><tds:Manufacturer>Example</tds:Manufacturer><tds:Model>Eye 4</tds:Model>"
                  "<tds:FirmwareVersion>1.2 build 3</tds:FirmwareVersion><tds:SerialNumber>7</tds:SerialNumber>"
                  "<tds:HardwareId>1</tds:HardwareId></tds:GetDeviceInformationResponse>")

    # ---- streams, in the version of the one who asks

    def two(self, action):
        return "/ver20/" in action.tag

    def GetProfiles(self, action, header):
        camera, two = self.server.camera, self.two(action)
        if two and camera.options.media2 == "broken":
            return self.unknown(action, header)
        # Of version 2, each part has to be asked for.
        if two and {one.text for one in action.findall("{*}Type")} < {"VideoSource", "VideoEncoder"}:
            return self.fault(400, "ter:InvalidArgVal", "Type")
        with camera.lock:
            all_of_them = list(camera.profiles.values())
        # Version 1 has no word for H.265.
        shown = [one for one in all_of_them if two or one.codec != "H265"]
        prefix = "tr2" if two else "trt"
        vague = camera.options.media2 == "vague"
        return self.soap(f"<{prefix}:GetProfilesResponse>{''.join(one.xml(two, vague) for one in shown)}"
                         f"</{prefix}:GetProfilesResponse>")

    def GetVideoEncoderConfigurations(self, action, _header):
        prefix = "tr2" if self.two(action) else "trt"
        each = "".join(f'<{prefix}:Configurations token="{one.encoder}">{one.format(True)}</{prefix}:Configurations>'
                       for one in self.server.camera.profiles.values())
        self.soap(f"<{prefix}:GetVideoEncoderConfigurationsResponse>{each}</{prefix}:GetVideoEncoderConfigurationsResponse>")

    def GetStreamUri(self, action, _header):
        camera, two = self.server.camera, self.two(action)
        one = camera.profiles.get(action.find("{*}ProfileToken").text)
        if one is None:
            return self.fault(400, "ter:NoProfile", "no such profile")
        if two and action.find("{*}Protocol").text != camera.options.protocol:
            return self.fault(400, "ter:InvalidArgVal", "Protocol")
        uri = escape(one.uri)
        if camera.options.escaped_twice:
            uri = escape(uri)
        if two:
            return self.soap(f"<tr2:GetStreamUriResponse><tr2:Uri>{uri}</tr2:Uri></tr2:GetStreamUriResponse>")
        return self.soap(f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri> {uri}\n</tt:Uri><tt:InvalidAfterConnect>false"
                         "</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot>"
                         "<tt:Timeout>PT0S</tt:Timeout></trt:MediaUri></trt:GetStreamUriResponse>")

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
        options = self.server.camera.options
        host = "10.98.76.54:8899" if options.nat else f"127.0.0.1:{self.server.server_port}"
        # Nobody listens at the port of a service that was there once.
        host = "127.0.0.1:1" if options.dead and "/media" in path else host
        return f"{'https' if options.tls else 'http'}://{host}{path}"

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

    def send_on(self, where):
        self.send_response(307)
        self.send_header("Location", where)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def be_rude(self, how):
        if how == "loop":
            return self.send_on(self.path)
        if how == "elsewhere":
            return self.send_on("http://192.0.2.99/onvif/device_service")
        if how in ("huge", "endless"):
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            try:
                for _ in range(40 if how == "huge" else 1_000_000):
                    self.wfile.write(b"<a>" * 100_000 if how == "huge" else b" ")
                    time.sleep(0 if how == "huge" else 0.2)
            except OSError:
                pass                # who asked has had enough
            return None
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


def discovery(camera, url, where, multicast):
    """Answers each question of WS-Discovery as cameras do: with more addresses than are good."""
    heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if multicast:
        heard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        heard.bind(("", GROUP[1]))
        heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP[0]) + socket.inet_aton("0.0.0.0"))
    else:
        heard.bind(("127.0.0.1", 0))
    say(f"discovery {heard.getsockname()[0]}:{heard.getsockname()[1]}")
    path = url.split("/", 3)[3]
    scopes = ("onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/Profile/Streaming "
              f"onvif://www.onvif.org/name/{camera.options.name} onvif://www.onvif.org/hardware/Eye4 "
              "onvif://www.onvif.org/location/city/%E9%BE%99%E5%B2%97")
    while True:
        data, sender = heard.recvfrom(65536)
        question = re.search(rb"MessageID[^>]*>([^<]+)<", data)
        types = re.search(rb"Types[^>]*>(?:\w+:)?(\w+)<", data)
        kind = types.group(1).decode() if types else ""
        if not question or kind not in ("NetworkVideoTransmitter", "Device"):
            continue
        say(f"Probe {kind}")
        if where == "garbage":
            for data in (b"", b"\xff\x00", b"<a>" * 20_000, b"<ProbeMatch><XAddrs>http://[</XAddrs></ProbeMatch>"):
                heard.sendto(data, sender)
            continue
        addresses = f"http://192.168.1.64/{path} http://[fe80::1]/{path} {url}" if where == "old" else url
        heard.sendto(f'''<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="{SOAP}" xmlns:wsdd="http://schemas.xmlsoap.org/ws/2005/04/discovery"
 xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><SOAP-ENV:Header>
<wsa:MessageID>uuid:1</wsa:MessageID><wsa:RelatesTo>{question.group(1).decode()}</wsa:RelatesTo>
<wsa:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</wsa:Action></SOAP-ENV:Header><SOAP-ENV:Body>
<wsdd:ProbeMatches><wsdd:ProbeMatch><wsa:EndpointReference><wsa:Address>urn:uuid:{url}</wsa:Address></wsa:EndpointReference>
<wsdd:Types>dn:NetworkVideoTransmitter</wsdd:Types><wsdd:Scopes>{scopes}</wsdd:Scopes><wsdd:XAddrs>{addresses}</wsdd:XAddrs>
<wsdd:MetadataVersion>1</wsdd:MetadataVersion></wsdd:ProbeMatch></wsdd:ProbeMatches></SOAP-ENV:Body></SOAP-ENV:Envelope>'''
                     .encode(), sender)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", default="p&ss w0rd")
    parser.add_argument("--auth", nargs="*", choices=("token", "digest"), default=["token"])
    parser.add_argument("--clock-off", type=float, default=0, help="seconds that the camera's clock is ahead")
    parser.add_argument("--topic", default="tns1:RuleEngine/CellMotionDetector/Motion=IsMotion")
    parser.add_argument("--lives", type=float, default=60, help="seconds that a subscription lives unpulled")
    parser.add_argument("--profile", action="append", default=[])
    parser.add_argument("--media2", choices=("good", "vague", "broken"), help="version 2 of the media service is offered")
    parser.add_argument("--protocol", default="RTSP", help="the one word by which version 2 gives a stream")
    parser.add_argument("--name", default="Cam%20A", help="as it stands in its scopes")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="https")
    parser.add_argument("--discovery", choices=("good", "old", "garbage"), help="what WS-Discovery is told")
    for flag in ("no-events", "nat", "reference", "services-only", "capabilities-only", "no-renew", "dead", "moved",
                 "escaped-twice", "multicast"):
        parser.add_argument(f"--{flag}", action="store_true")
    options = parser.parse_args()
    server = ThreadingHTTPServer(("0.0.0.0" if options.multicast else "127.0.0.1", 0), Handler)
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads, server.camera = True, Camera(options)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"{'https' if options.tls else 'http'}://127.0.0.1:{server.server_port}/onvif/device_service"
    say(url)
    if options.discovery:
        arguments = (server.camera, url, options.discovery, options.multicast)
        threading.Thread(target=discovery, args=arguments, daemon=True).start()
    for line in sys.stdin:
        server.camera.order(line.strip())


if __name__ == "__main__":
    main()
