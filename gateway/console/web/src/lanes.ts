// What stands on the time line of a case: a lane for each source, for clip and pictures, and for what was done.

import { stepName, whoOf } from './life';
import { clip } from './parts';
import { at, clockS, now } from './time';
import type { Case, Source } from './types';
import { t, word } from './words';

export interface Lane { of: 'camera' | 'button' | 'gauge' | 'drone' | 'other' | 'clip' | 'picture' | 'life'; name: string; bars: Bar[]; dots: Dot[] }
interface Bar { from: number; to: number; kind: string; label: string }
interface Dot { time: number; kind: string; label: string }

interface Thing { source?: string; label?: string; first_at?: string; last_at?: string; standing?: boolean }

const SOURCES = ['camera', 'button', 'gauge', 'drone'] as const;
/** What goes on is drawn up to now, but no longer than this. */
const GOES_ON_MS = 6 * 3_600_000;

function things(one: Case): Thing[] {
  const all = one.detail?.['things'];
  return Array.isArray(all) ? (all as Thing[]) : [];
}

/** When whoever it saw was there; those who were there together are one bar. */
function seenBars(one: Case, source: string): Bar[] {
  const bars = things(one).flatMap((thing) => {
    if (thing.source !== source || thing.first_at === undefined || thing.last_at === undefined) return [];
    const standing = thing.standing === true ? ` · ${t('line.standing')}` : '';
    return [{ from: at(thing.first_at), to: at(thing.last_at), kind: 'active', label: `${word('object', thing.label ?? '')}${standing}` }];
  });
  const joined: Bar[] = [];
  for (const bar of bars.sort((a, b) => a.from - b.from)) {
    const last = joined[joined.length - 1];
    if (last === undefined || bar.from > last.to) joined.push(bar);
    else [last.to, last.label] = [Math.max(last.to, bar.to), last.label.includes(bar.label) ? last.label : `${last.label}、${bar.label}`];
  }
  return joined;
}

function ofSource(one: Case, source: Source, isFirst: boolean): Lane {
  const kind = SOURCES.find((kind) => kind === source.kind) ?? 'other';
  const lane: Lane = { of: kind, name: source.name || source.id, bars: seenBars(one, source.id), dots: [] };
  const began = at(one.began_at);
  if (isFirst) {
    lane.dots.push({ time: began, kind: 'began', label: `${word('source', source.kind)} · ${t('case.began')} ${clockS(one.began_at)}` });
    if (lane.bars.length === 0) {
      const ended = one.ended_at === undefined ? Math.min(now.value, began + GOES_ON_MS) : at(one.ended_at);
      lane.bars.push({ from: began, to: Math.max(began, ended), kind: 'active', label: one.active ? t('case.active') : t('case.over') });
    }
  } else if (lane.bars.length === 0) {
    // Of what joined later it is known that it did, and not when it began.
    lane.dots.push({ time: at(one.opened_at), kind: 'joined', label: `${word('source', source.kind)} · ${t('case.joined')}` });
  }
  return lane;
}

function ofClip(one: Case): Lane[] {
  const video = clip(one);
  if (video?.starts_at === undefined || video.ends_at === undefined) return [];
  const [start, end] = [at(video.starts_at), at(video.ends_at)];
  const began = Math.min(end, Math.max(start, start + (video.pre_roll_ms ?? 0)));
  const bars: Bar[] = [{ from: began, to: end, kind: 'clip', label: `${t('case.clip')} ${clockS(video.starts_at)}–${clockS(video.ends_at)}` }];
  if (began > start) bars.push({ from: start, to: began, kind: 'preroll', label: t('case.clip_from', { s: ((began - start) / 1000).toFixed(1) }) });
  return [{ of: 'clip', name: t('case.clip'), bars, dots: [] }];
}

export function lanesOf(one: Case): Lane[] {
  const lanes = one.sources.map((source, n) => ofSource(one, source, n === 0));
  lanes.push(...ofClip(one));
  const shots = one.evidence.filter((piece) => piece.media_type === 'image/jpeg' && piece.original_of === undefined && piece.starts_at !== undefined);
  if (shots.length > 0) {
    lanes.push({ of: 'picture', name: t('case.picture'), bars: [], dots: shots.map((piece) => ({ time: at(piece.starts_at ?? ''), kind: 'shot', label: `${t('case.picture')} ${clockS(piece.starts_at ?? '')}` })) });
  }
  const steps = one.steps ?? [];
  const dots = steps.map((step) => ({ time: at(step.at), kind: step.step === 'escalated' || step.step === 'lapsed' ? 'loud' : 'step', label: `${clockS(step.at)} ${stepName(step)} ${whoOf(step)}` }));
  if (one.ended_at !== undefined) dots.push({ time: at(one.ended_at), kind: 'ended', label: `${clockS(one.ended_at)} ${t('case.ended')}` });
  if (dots.length > 0) lanes.push({ of: 'life', name: t('case.life'), bars: [], dots });
  return lanes;
}
