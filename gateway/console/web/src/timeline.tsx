// All sources of an incident on one line of time: from when to when, its pictures and clip, and the steps taken.

import { at, clockS, now, onSite } from './time';
import type { Case } from './types';
import { clip } from './parts';
import { t, word } from './words';

const WIDTH = 720;
const LEFT = 120;
const LANE = 24;

interface Lane { name: string; bars: { from: number; to: number; kind: string; label: string }[]; dots: { time: number; kind: string; label: string }[] }

export function TimeLine({ one }: { one: Case }) {
  const lanes = lanesOf(one);
  const times = lanes.flatMap((lane) => [...lane.bars.flatMap((bar) => [bar.from, bar.to]), ...lane.dots.map((dot) => dot.time)]);
  const from = Math.min(...times);
  const to = Math.max(...times, from + 10_000);
  const x = (time: number) => LEFT + ((time - from) / (to - from)) * (WIDTH - LEFT - 16);
  const bottom = lanes.length * LANE + 8;
  const marks = [0, 0.5, 1].map((share) => from + share * (to - from));
  return (
    <section class="line">
      <h3>{t('case.line')}</h3>
      <svg viewBox={`0 0 ${WIDTH} ${bottom + 22}`} role="img" aria-label={t('case.line')}>
        {marks.map((mark, n) => (
          <g key={n}>
            <line class="grid" x1={x(mark)} x2={x(mark)} y1={0} y2={bottom} />
            <text x={x(mark)} y={bottom + 16} text-anchor={n === 0 ? 'start' : n === 1 ? 'middle' : 'end'}>
              {clockS(onSite(one.opened_at, mark))}
            </text>
          </g>
        ))}
        {lanes.map((lane, n) => (
          <g key={lane.name} transform={`translate(0 ${n * LANE})`}>
            <text class="lane" x={0} y={16}>
              {lane.name.length > 8 ? `${lane.name.slice(0, 8)}…` : lane.name}
              <title>{lane.name}</title>
            </text>
            {lane.bars.map((bar, m) => (
              <rect key={m} class={bar.kind} x={x(bar.from)} y={6} width={Math.max(3, x(bar.to) - x(bar.from))} height={12} rx={2}>
                <title>{bar.label}</title>
              </rect>
            ))}
            {lane.dots.map((dot, m) => (
              <circle key={m} class={dot.kind} cx={x(dot.time)} cy={12} r={5}>
                <title>{dot.label}</title>
              </circle>
            ))}
          </g>
        ))}
      </svg>
    </section>
  );
}

function lanesOf(one: Case): Lane[] {
  const ended = one.ended_at === undefined ? Math.min(now.value, at(one.began_at) + 6 * 3600_000) : at(one.ended_at);
  const began = at(one.began_at);
  const lanes: Lane[] = one.sources.map((source, n) => ({
    name: source.name || source.id,
    bars: n === 0 ? [{ from: began, to: Math.max(began, ended), kind: 'active', label: t('case.began') }] : [],
    dots: n === 0 ? [{ time: began, kind: 'began', label: `${word('source', source.kind)} ${clockS(one.began_at)}` }] : [{ time: at(one.opened_at), kind: 'began', label: word('source', source.kind) }],
  }));
  const video = clip(one);
  if (video?.starts_at !== undefined && video.ends_at !== undefined) {
    const start = at(video.starts_at);
    const bars = [{ from: start, to: at(video.ends_at), kind: 'clip', label: t('case.clip') }];
    if (began > start) bars.push({ from: start, to: began, kind: 'preroll', label: t('case.clip_from', { s: ((began - start) / 1000).toFixed(1) }) });
    lanes.push({ name: t('case.clip'), bars, dots: [] });
  }
  const shots = one.evidence.filter((piece) => piece.media_type === 'image/jpeg' && piece.starts_at !== undefined);
  if (shots.length > 0) {
    lanes.push({ name: t('case.picture'), bars: [], dots: shots.map((piece) => ({ time: at(piece.starts_at ?? ''), kind: 'shot', label: t('case.picture') })) });
  }
  const steps = one.steps ?? [];
  if (steps.length > 0) {
    lanes.push({ name: t('case.life'), bars: [], dots: steps.map((step) => ({ time: at(step.at), kind: 'step', label: `${word('step', step.step)} ${step.by}` })) });
  }
  return lanes;
}
