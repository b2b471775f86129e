#!/usr/bin/python3
"""Zigbee2MQTT with its buttons, as a broker hears it.

    zigbee2mqtt.py PORT story     one of each kind of message, ending in a press of `b-302`
    zigbee2mqtt.py PORT press NAME
    zigbee2mqtt.py PORT retained  an old press that the broker keeps
    zigbee2mqtt.py PORT offline   the bridge goes away as by a power cut: its will says so

Shapes: as documented for Zigbee2MQTT 1.x and 2.x.
"""

import json
import sys

from mqtt import Client


def bridge(port):
    client = Client(port, "zigbee2mqtt", will=("zigbee2mqtt/bridge/state", '{"state":"offline"}', True))
    client.publish("zigbee2mqtt/bridge/state", '{"state":"online"}', retain=True)
    return client


def press(client, name, action="emergency"):
    state = {"battery": 100, "linkquality": 131, "voltage": 3000}
    # IAS zone buttons say it several times over the air; 1.x adds an empty action for Home Assistant.
    for _ in range(3):
        client.publish(f"zigbee2mqtt/{name}", json.dumps({"action": action, **state}))
        client.publish(f"zigbee2mqtt/{name}", json.dumps({"action": "", **state}))
    client.publish(f"zigbee2mqtt/{name}/action", action)


def main():
    port, what = int(sys.argv[1]), sys.argv[2]
    client = bridge(port)
    if what == "press":
        press(client, sys.argv[3])
    elif what == "retained":
        client.publish("zigbee2mqtt/b-301/availability", "online", retain=True)
        # Somebody set `retain` for a button: the broker says its last press at each connection.
        client.publish("zigbee2mqtt/b-301", json.dumps({"action": "emergency", "last_seen": "2020-01-01T00:00:00Z"}), retain=True)
    elif what == "offline":
        client.break_off()
        return
    else:
        client.publish("zigbee2mqtt/bridge/devices", json.dumps([{"friendly_name": "b-302", "definition": {"model": "TS0215A_sos"}}]), retain=True)
        client.publish("zigbee2mqtt/b-302/availability", '{"state":"online"}', retain=True)
        client.publish("zigbee2mqtt/b-303/availability", '{"state":"offline"}', retain=True)
        client.publish("zigbee2mqtt/b-304", json.dumps({"battery": 9, "linkquality": 80}))
        client.publish("zigbee2mqtt/b-305", json.dumps({"sos": False, "tamper": True, "battery_low": False, "battery": 90, "linkquality": 87}))
        for _ in range(3):
            client.publish("zigbee2mqtt/b-306", json.dumps({"battery": 80, "linkquality": 12}))
        # A lamp's remote in the same network is no button: the site says so.
        client.publish("zigbee2mqtt/lamp", json.dumps({"action": "single", "linkquality": 100}))
        press(client, "b-302")
    client.publish("zigbee2mqtt/bridge/info", "{}")
    client.leave()


main()
