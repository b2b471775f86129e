#!/usr/bin/python3
"""Buttons on Wi-Fi: a Tasmota and an ESPHome device, each with its own connection and last will.

    wifi.py PORT story     both come up and are pressed, then Tasmota's plug is pulled

Shapes: as the two firmwares document their MQTT topics.
"""

import json
import sys

from mqtt import Client


def main():
    port = int(sys.argv[1])
    tasmota = Client(port, "DVES_1", will=("tele/sos-kitchen/LWT", "Offline", True))
    tasmota.publish("tele/sos-kitchen/LWT", "Online", retain=True)
    tasmota.publish("tele/sos-kitchen/STATE", json.dumps({"Time": "2026-07-01T11:00:00", "Uptime": "0T00:00:09", "Wifi": {"AP": 1, "RSSI": 62, "Signal": -69}}))
    esphome = Client(port, "door-node", will=("door-node/status", "offline", True))
    esphome.publish("door-node/status", "online", retain=True)
    esphome.publish("door-node/sensor/battery_level/state", "76.5")
    esphome.publish("door-node/binary_sensor/motion/state", "ON")
    tasmota.publish("stat/sos-kitchen/RESULT", json.dumps({"Button1": {"Action": "SINGLE"}}))
    esphome.publish("door-node/binary_sensor/sos_button/state", "ON")
    esphome.publish("door-node/binary_sensor/sos_button/state", "OFF")
    esphome.leave()
    tasmota.break_off()


main()
