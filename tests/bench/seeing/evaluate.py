"""evaluate.py TRUTH TRACKS [--fps N]: recall, precision, IDF1 and identity switches by py-motmetrics, as JSON.

TRUTH is MOTChallenge text (frame, id, left, top, width, height, counts, …) or the same with a header; a row whose
`counts` is 0 is ignored, and so is a track on it. TRACKS is what `gridpost replay --tracks` writes. Only frames of
TRUTH are judged. A frame that was not looked at lies between two that were: there a track is where a line between
its two places is, if they are 2.5 s apart at most, or it has not moved. A track counts from the first picture in which its
score is what a rule asks for to begin (`min_score`, 0.5): what never reaches it is nobody for any rule. Runs in the environment of requirements.txt."""
import argparse
import collections
import json
import os
import sys

import motmetrics

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "rig"))
from judge import iou, rows         # noqa: E402  pylint: disable=wrong-import-position

PERSON = 1
OVERLAP = 0.5           # the field's: a smaller one is no hit
GAP_S = 2.5
BEGIN_SCORE = 0.5       # default `min_score` of a rule
STANDS = 0.5            # overlap of two places between which nobody moved


def truth_of(path):
    """frame -> {id: box with `counts`}; a header line, and rows without `counts`, are taken too."""
    found = collections.defaultdict(dict)
    with open(path, encoding="ascii") as file:
        for line in file:
            cells = line.strip().split(",")
            if cells[0].isdigit():
                counts = float(cells[6]) if len(cells) > 6 else 1.0
                found[int(cells[0])][int(cells[1])] = (*map(float, cells[2:6]), counts)
    return found


def seen_at(tracks, frames, fps):
    """frame -> {track: box}, for frames that were not looked at too."""
    paths, begun = collections.defaultdict(list), set()
    for frame in sorted(tracks):
        for track, box in tracks[frame].items():
            if box[4] >= BEGIN_SCORE:
                begun.add(track)
            if box[5] == PERSON and box[6] and track in begun:
                paths[track].append((frame, box[:4]))
    found = collections.defaultdict(dict)
    for track, path in paths.items():
        for (f0, one), (f1, other) in zip(path, path[1:] + path[-1:]):
            near = (f1 - f0) / fps <= GAP_S or iou(one, other) >= STANDS
            for frame in (frame for frame in frames if f0 <= frame < max(f1, f0 + 1)):
                if frame == f0 or near:
                    share = (frame - f0) / max(f1 - f0, 1)
                    found[frame][track] = tuple(a + (b - a) * share for a, b in zip(one, other))
    return found


def evaluate(truth, tracks, fps):
    frames = sorted(truth)
    found = seen_at(tracks, frames, fps)
    judged = motmetrics.MOTAccumulator()
    for frame in frames:
        people = {who: box for who, box in truth[frame].items() if box[4]}
        ignored = [box for box in truth[frame].values() if not box[4]]
        free = {track: box for track, box in found[frame].items()
                if not any(iou(box, one) >= OVERLAP for one in ignored)
                or any(iou(box, one) >= OVERLAP for one in people.values())}
        distances = motmetrics.distances.iou_matrix([box[:4] for box in people.values()], list(free.values()),
                                                    max_iou=1 - OVERLAP)
        judged.update(list(people), list(free), distances, frameid=frame)
    names = ["recall", "precision", "idf1", "num_switches", "num_objects", "num_predictions", "num_unique_objects"]
    summary = motmetrics.metrics.create().compute(judged, metrics=names, name="all")
    return {name: float(summary[name].iloc[0]) for name in names}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("truth")
    parser.add_argument("tracks")
    parser.add_argument("--fps", type=float, default=10)
    options = parser.parse_args()
    print(json.dumps(evaluate(truth_of(options.truth), rows(options.tracks), options.fps)))


if __name__ == "__main__":
    main()
