#!/usr/bin/python3
"""ChirpStack v4 with LoRaWAN buttons: JSON events on its MQTT topics.

    chirpstack.py PORT story    join, heartbeat, status, a raw press of a WS101, a decoded press of a PB01
    chirpstack.py PORT raw DEVEUI HEX [PROFILE]

Shapes: ChirpStack v4, JSON of its MQTT integration; frames: the user guides of Milesight WS101 and Dragino PB01. Defaults are left
out, as protobuf's JSON does: fCnt 0, snr 0, confirmed false.
"""

import base64
import datetime
import json
import sys
import uuid

from mqtt import Client

APPLICATION = "17c82e96-be03-4f38-aef3-f83d48582d97"
WS101, PB01 = "24e124535b123456", "a840411111111111"


def event(client, eui, kind, profile="", **more):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    info = {"applicationId": APPLICATION, "applicationName": "buttons", "deviceProfileName": profile, "deviceName": eui, "devEui": eui, "tags": {}}
    body = {"deduplicationId": str(uuid.uuid4()), "time": now, "deviceInfo": info, **more}
    client.publish(f"application/{APPLICATION}/device/{eui}/event/{kind}", json.dumps(body))
    return body


def up(client, eui, data, port, profile="", again=False, **more):
    rx = [{"gatewayId": "0016c001f153a14c", "uplinkId": 1, "rssi": -97, "snr": 4.5}, {"gatewayId": "0016c001f153a14d", "rssi": -118}]
    body = event(client, eui, "up", profile, devAddr="00189440", adr=True, dr=2, fPort=port, data=base64.b64encode(data).decode(), rxInfo=rx, **more)
    if again:
        # The broker or the bridge says it twice: the same uplink.
        client.publish(f"application/{APPLICATION}/device/{eui}/event/up", json.dumps(body))


def main():
    port, what = int(sys.argv[1]), sys.argv[2]
    client = Client(port, "chirpstack")
    if what == "raw":
        profile = sys.argv[5] if len(sys.argv) > 5 else ""
        up(client, sys.argv[3], bytes.fromhex(sys.argv[4]), 85, profile)
        client.leave()
        return
    event(client, WS101, "join", devAddr="00189440")
    up(client, WS101, bytes.fromhex("ff0bffff0101ff086538b2232131ff090100ff0a0102ff0f00"), 85)
    up(client, WS101, bytes.fromhex("017564"), 85)
    event(client, WS101, "status", margin=10, batteryLevel=88.3)
    event(client, WS101, "txack", gatewayId="0016c001f153a14c")
    # Nobody can read it: no object, no model. It lives, and its bytes are kept.
    up(client, "0101010101010101", b"\xaa", 1)
    up(client, WS101, bytes.fromhex("017510ff2e01"), 85, again=True)
    decoded = {"BatV": 3.0, "Sound_key": "CLOSE", "Sound_ACK": "OPEN", "Alarm": "TRUE", "TempC_SHT41": 25.1, "Hum_SHT41": 50.2}
    up(client, PB01, bytes.fromhex("0bb8030100fb01f6"), 2, object=decoded)
    client.leave()


main()
