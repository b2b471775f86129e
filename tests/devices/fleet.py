#!/usr/bin/python3
"""A district's native buttons: they beat, one is pressed, some are silent, one is mad.

    fleet.py PORT beat COUNT SILENT [EVERY_S]   buttons btn-0001 … beat for ever; every (COUNT // SILENT)-th never does
    fleet.py PORT mad COUNT DEVICE [QOS]        one device says COUNT messages as fast as it can;
                                            every 500th is a press with an id of its own
"""

import json
import sys
import time

from mqtt import Client


def silent(number, count, quiet):
    return quiet and number % (count // quiet) == 0 and number // (count // quiet) <= quiet


def main():
    port, what, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    client = Client(port, f"fleet-{what}-{sys.argv[4]}")
    if what == "mad":
        device, qos = sys.argv[4], int(sys.argv[5]) if len(sys.argv) > 5 else 0
        body = json.dumps({"device": device, "event": "heartbeat", "battery": 80})
        began = time.monotonic()
        for n in range(count):
            press = json.dumps({"device": device, "event": "press", "id": f"mad-{n}"})
            client.send(f"gridpost/demo/button/{device}", press if n % 500 == 499 else body, qos)
            client.settle(left=1000)
        client.settle()
        print(json.dumps({"sent": count, "seconds": time.monotonic() - began}), flush=True)
        client.leave()
        return
    quiet, every = int(sys.argv[4]), float(sys.argv[5]) if len(sys.argv) > 5 else 3.0
    talk = [n for n in range(1, count + 1) if not silent(n, count, quiet)]
    while True:
        began = time.monotonic()
        for number in talk:
            body = json.dumps({"device": f"btn-{number:04}", "event": "heartbeat", "battery": 60 + number % 40, "link": 50 + number % 50})
            client.send(f"gridpost/demo/button/btn-{number:04}", body)
            client.settle(left=64)
        client.settle()
        print(f"beat of {len(talk)}", flush=True)
        time.sleep(max(0.0, every - (time.monotonic() - began)))


main()
