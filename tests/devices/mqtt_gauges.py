#!/usr/bin/python3
"""mqtt_gauges.py HOST PORT MODEL DEVICE VALUE…: rain and level gauges as their gateways publish them, over mosquitto_pub.

MODEL: native-tips, native-total, native-level, milesight-wts506, milesight-raw, em500-swl, dragino-wsc2, sensecap-s2120,
rtl433. Each VALUE is one message (tips, millimetres in total, metres, mm/h, centimetres), QoS 1. --site names the site
in native topics, --at gives the time of the first (RFC 3339) and --step-s that between two, for those that carry one."""
import argparse
import base64
import json
import struct
import subprocess
import sys
import uuid
from datetime import datetime, timedelta, timezone


def message(options, value, at):
    native = f"gridpost/{options.site}/gauge/{options.device}"
    uplink = f"application/1/device/{options.device}/event/up"
    info = {"deduplicationId": str(uuid.uuid4()), "time": at.isoformat(), "fPort": 85,
            "deviceInfo": {"devEui": options.device, "deviceName": "gauge"}, "data": "qg=="}
    timed = {"at": at.isoformat(), "id": str(uuid.uuid4())}
    model = options.model
    if model == "native-tips":
        return native, {**timed, "tips": int(value), "battery": 91}
    if model == "native-total":
        return native, {**timed, "total_mm": float(value)}
    if model == "native-level":
        return native, {**timed, "level_m": float(value)}
    if model == "milesight-wts506":
        return uplink, {**info, "object": {"rainfall_total": float(value), "rainfall_counter": 1}}
    if model == "milesight-raw":
        data = bytes.fromhex("0584BA0406734F27") + b"\x08\xEC" + struct.pack("<I", round(float(value) * 100))
        return uplink, {**info, "data": base64.b64encode(data).decode()}
    if model == "em500-swl":
        return uplink, {**info, "object": {"battery": 100, "depth": float(value)}}
    if model == "dragino-wsc2":
        return uplink, {**info, "fPort": 2, "object": {"BatV": 3.3, "rain": int(value)}}
    if model == "sensecap-s2120":
        parts = [[{"measurementValue": 182, "measurementId": "4104", "type": "Wind Direction Sensor"},
                  {"measurementValue": float(value), "measurementId": "4113", "type": "Rain Gauge"}], [{"Battery(%)": 84}]]
        return uplink, {**info, "object": {"valid": True, "err": 0, "messages": parts}}
    name, _, number = options.device.rpartition("-")
    return "rtl_433/box/events", {"time": f"{at:%Y-%m-%d %H:%M:%S}", "model": name, "id": int(number), "battery_ok": 1,
                                  "rain_mm": float(value)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host")
    parser.add_argument("port")
    parser.add_argument("model")
    parser.add_argument("device")
    parser.add_argument("values", nargs="+")
    parser.add_argument("--site", default="demo")
    parser.add_argument("--at")
    parser.add_argument("--step-s", type=float, default=300)
    options = parser.parse_args()
    last = datetime.now(timezone.utc)
    first = (datetime.fromisoformat(options.at) if options.at
             else last - timedelta(seconds=options.step_s * (len(options.values) - 1)))
    for n, value in enumerate(options.values):
        topic, said = message(options, value, first + timedelta(seconds=options.step_s * n))
        sent = subprocess.run(["mosquitto_pub", "-h", options.host, "-p", options.port, "-q", "1", "-V", "311",
                               "-i", options.device, "-t", topic, "-m", json.dumps(said)], check=False, timeout=30)
        if sent.returncode:
            print(f"message {n + 1} was not acknowledged", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
