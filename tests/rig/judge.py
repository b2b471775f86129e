#!/usr/bin/python3
"""judge.py TRUTH.gt.txt TRACKS.txt EVENTS.jsonl --start TIME: is each person one thing in exactly one incident? As JSON.

TRUTH is that of people.py, TRACKS what `gridpost replay --tracks` writes, EVENTS its stdout, and TIME its --start. A track
belongs to the person whom it overlaps most, where that is so in half of its pictures. A thing of an incident
(`detail.things`) has the id of its track. Where incidents list no things, each counts for everybody who was there while
it was on. A person counts who is seen for two seconds at least.

    people      of the truth          once      in exactly one incident, as one thing
    missed      in none               several   in more than one, or as more than one thing
    tracked     with a track at all   strangers tracks of nobody
    incidents   that were opened      false     of them, those of nobody
    false_things    things of incidents that are nobody"""
import argparse
import collections
import datetime
import json

SAME = 0.3              # overlap from which a box may be a person's
HALF = 0.5
SURE_S = 2.0            # nobody may be missed who is seen for so long
NEAR_S = 1.0            # an incident may begin or end so much beside a person
TOGETHER_S = 0.5        # an incident without things is of whoever was there for so long


def rows(path):
    """frame -> {id: (left, top, width, height, column 7, column 8, column 9)}"""
    found = collections.defaultdict(dict)
    with open(path, encoding="ascii") as file:
        for line in file:
            cells = line.split(",")
            found[int(cells[0])][int(cells[1])] = tuple(map(float, cells[2:9]))
    return found


def iou(one, other):
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def owners(truth, tracks):
    """track -> the person whose it is; a track of nobody is not in it."""
    votes, pictures = collections.defaultdict(collections.Counter), collections.Counter()
    for frame, seen in tracks.items():
        pairs = sorted(((iou(box, person), track, who) for track, box in seen.items() if box[6]
                        for who, person in truth.get(frame, {}).items()), reverse=True)
        taken = set()
        for overlap, track, who in pairs:
            if overlap >= SAME and track not in taken and who not in taken:
                taken |= {track, who}
                votes[track][who] += 1
        pictures.update(track for track, box in seen.items() if box[6])
    best = {track: counts.most_common(1)[0] for track, counts in votes.items()}
    return {track: who for track, (who, count) in best.items() if count >= HALF * pictures[track]}


def spans(truth, fps):
    """person -> (first and last second in which he counts, seconds in which he does)"""
    found = {}
    for frame in sorted(truth):
        for who, box in truth[frame].items():
            if box[4]:
                first, _, count = found.get(who, (frame, frame, 0))
                found[who] = (first, frame, count + 1)
    return {who: ((first - 1) / fps, last / fps, count / fps) for who, (first, last, count) in found.items()}


def incidents(path, start):
    """id -> (began, ended, ids of things or None), seconds; of the highest revision, of what cameras see."""
    zero, last = datetime.datetime.fromisoformat(start), {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            event = json.loads(line)
            data = event["data"]
            if not data["kind"].startswith(("camera-", "detector-", "sink-", "device-", "disk-")):
                last[event["subject"]] = data

    def second(text):
        return (datetime.datetime.fromisoformat(text) - zero).total_seconds() if text else float("inf")
    def things(data):
        listed = (data.get("detail") or {}).get("things")
        return None if listed is None else [thing["id"] for thing in listed]
    return {name: (second(data["began_at"]), second(data.get("ended_at")), things(data)) for name, data in last.items()}


def judge(truth, tracks, events, fps):
    """See the head of this file; `of` says which incident and thing each person is in."""
    whose, there = owners(truth, tracks), spans(truth, fps)
    of, false, false_things = collections.defaultdict(list), [], 0
    for name, (began, ended, things) in sorted(events.items(), key=lambda one: one[1][0]):
        if things is None:
            people = [(who, None) for who, (first, last, _) in there.items()
                      if min(ended, last) - max(began, first) >= TOGETHER_S]
            known = any(began <= last + NEAR_S and ended >= first - NEAR_S for first, last, _ in there.values())
        else:
            people = [(whose[thing], thing) for thing in things if thing in whose]
            known = bool(people)
            false_things += len(things) - len(people)
        for who, thing in people:
            of[who].append((name, thing))
        if not known:
            false.append(name)
    counted = [who for who, (_, _, seconds) in there.items() if seconds >= SURE_S]
    once = [who for who in counted if len(of[who]) == 1]
    missed = [who for who in counted if not of[who]]
    return {"people": len(counted), "once": len(once), "missed": sorted(missed), "incidents": len(events),
            "several": sorted(set(counted) - set(once) - set(missed)), "false": len(false), "false_things": false_things,
            "tracked": len(set(counted) & set(whose.values())),
            "strangers": len({track for seen in tracks.values() for track, box in seen.items() if box[6]} - set(whose)),
            "lists_things": all(things is not None for _, _, things in events.values()),
            "of": {who: of[who] for who in sorted(of)}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("truth", "tracks", "events"):
        parser.add_argument(name)
    parser.add_argument("--start", required=True)
    parser.add_argument("--fps", type=float, default=10)
    options = parser.parse_args()
    people = {frame: {track: box for track, box in seen.items() if box[5] == 1} for frame, seen in rows(options.tracks).items()}
    print(json.dumps(judge(rows(options.truth), people, incidents(options.events, options.start), options.fps)))


if __name__ == "__main__":
    main()
