"""The drone of the demo: flies from grid 1 to grid 3 with KLV in its transport stream, and leaves its flight as GeoJSON."""
import json
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(os.path.dirname(HERE), "devices", "drone.py")
START, END = "113.9131,30.9220", "113.9131,30.9265"
BARE_S, STREET_S = 5, 8          # of bare ground, then of the street with its walkers
FLIGHT_S = 8
NEEDED_S = 35                    # from the start until the grid has heard of its end, on a slow machine


class Drone:
    def __init__(self, start, folder, port):
        film = os.path.join(folder, "film.ts")
        clip = subprocess.run([os.path.join(HERE, "clip.sh")], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        subprocess.run([SCRIPT, "video", film, "--empty", str(BARE_S), "--street", str(STREET_S), "--clip", clip], check=True)
        self.process = start([SCRIPT, "fly", "--url", f"udp://127.0.0.1:{port}", "--video", film, "--start", START, "--end", END,
                              "--seconds", str(FLIGHT_S)], stdin=subprocess.DEVNULL)


def leave(incidents, path):
    """Writes the flight as the grid heard of it: its way, and a point for all that was seen. Gives what is missing, or None."""
    patrols = [data for data in incidents if data["kind"] == "patrol" and not data["active"]]
    if not patrols:
        return "no flight of the drone arrived"
    features = []
    for patrol in patrols:
        detail = patrol["detail"]
        track = detail.get("track")
        if not track or track["geometry"]["type"] != "LineString":
            return "the flight has no way"
        track["properties"].update({"name": patrol["title"]["zh"], "began_at": patrol["began_at"], "ended_at": patrol["ended_at"],
                                    "distance_m": detail["distance_m"], "grids": detail["grids"], "seen": detail["seen"]})
        features.append(track)
    seen = [data for data in incidents if data["sources"][0]["kind"] == "drone" and data["kind"] != "patrol" and data.get("place")]
    for data in seen:
        features.append({"type": "Feature", "geometry": {"type": "Point", "coordinates": [data["place"]["lon"], data["place"]["lat"]]},
                         "properties": {"name": data["title"]["zh"], "at": data["began_at"], "grid": data.get("grid", {}).get("name"),
                                        "error_m": data["detail"].get("ground", {}).get("error_m")}})
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"type": "FeatureCollection", "features": features}, file, ensure_ascii=False, indent=1)
    return None if seen else "the drone saw nobody on its flight"


def told(path):
    with open(path, encoding="utf-8") as file:
        features = json.load(file)["features"]
    way, points = features[0]["properties"], [one["properties"] for one in features if one["geometry"]["type"] == "Point"]
    grids = ", ".join(grid["name"] for grid in way["grids"])
    people = "; ".join(f"{one['name']} in {one['grid'] or 'no grid'} ± {one['error_m']:.0f} m" for one in points if one["error_m"])
    return f"drone: {way['distance_m']:.0f} m over {grids}; {people or 'nobody seen'}; as GeoJSON in {os.path.relpath(path)}"
