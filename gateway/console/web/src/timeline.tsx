// All sources of an incident on one line of time: who was there and when, its clip with the pre-roll, pictures, steps.

import { useState } from 'preact/hooks';
import { lanesOf, type Lane } from './lanes';
import { clip } from './parts';
import { at, clock, clockS, onSite } from './time';
import type { Case } from './types';
import { t } from './words';

const WIDTH = 900;
const LEFT = 150;
const LANE = 30;
const NAME_CHARS = 9;
/** What happened is shown closer where the whole is so much longer. */
const CLOSER = 5;

const timesOf = (lanes: Lane[]): number[] => lanes.flatMap((lane) => [...lane.bars.flatMap((bar) => [bar.from, bar.to]), ...lane.dots.map((dot) => dot.time)]);

/** From when to when what happened can be seen: its clip and pictures, else a minute. */
function closeUp(one: Case, lanes: Lane[]): [number, number] {
  const began = at(one.began_at);
  const times = [began, ...timesOf(lanes.filter((lane) => lane.of === 'clip' || lane.of === 'picture'))];
  const [from, to] = [Math.min(...times), Math.max(...times, began + 20_000)];
  const room = (to - from) * 0.06;
  return [from - room, to + room];
}

function span(lanes: Lane[]): [number, number] {
  const times = timesOf(lanes);
  const from = Math.min(...times);
  return [from, Math.max(...times, from + 10_000)];
}

/** Plays the clip from this moment. */
function seek(one: Case, time: number): void {
  const starts = clip(one)?.starts_at;
  const video = document.querySelector<HTMLVideoElement>('.case video');
  if (starts === undefined || video === null) return;
  video.currentTime = Math.max(0, (time - at(starts)) / 1000);
  video.scrollIntoView({ block: 'nearest' });
  void video.play().catch(() => undefined);
}

export function TimeLine({ one }: { one: Case }) {
  const lanes = lanesOf(one);
  const whole = span(lanes);
  const near = closeUp(one, lanes);
  const isLong = whole[1] - whole[0] > CLOSER * (near[1] - near[0]);
  const [close, setClose] = useState(true);
  const [from, to] = isLong && close ? near : [whole[0], whole[1] + (whole[1] - whole[0]) * 0.02];
  return (
    <section class="line" data-timeline>
      <h3>
        {t('case.line')}
        {isLong ? (
          <span class="choice" role="group" aria-label={t('case.line')}>
            <button type="button" aria-pressed={close} onClick={() => setClose(true)}>
              {t('line.close')}
            </button>
            <button type="button" aria-pressed={!close} onClick={() => setClose(false)} data-whole>
              {t('line.whole')}
            </button>
          </span>
        ) : null}
      </h3>
      <div class="lanes" tabIndex={0} role="group" aria-label={t('case.line')}>
        <Lanes one={one} lanes={lanes} from={from} to={to} />
      </div>
      <p class="key">
        <span class="swatch preroll" /> {t('line.preroll')} <span class="swatch clip" /> {t('case.clip')} <span class="swatch active" /> {t('line.there')} <span class="swatch began" /> {t('case.began')}
      </p>
    </section>
  );
}

function Lanes({ one, lanes, from, to }: { one: Case; lanes: Lane[]; from: number; to: number }) {
  const x = (time: number) => LEFT + ((Math.min(to, Math.max(from, time)) - from) / (to - from)) * (WIDTH - LEFT - 20);
  const inside = (time: number) => time >= from && time <= to;
  const bottom = lanes.length * LANE + 6;
  const marks = [0, 0.25, 0.5, 0.75, 1].map((share) => from + share * (to - from));
  const shown = to - from > 3_600_000 ? clock : clockS;
  const began = at(one.began_at);
  return (
    <svg viewBox={`0 0 ${WIDTH} ${bottom + 24}`} role="img" aria-label={`${t('case.line')}: ${lanes.map((lane) => lane.name).join('、')}`}>
      {marks.map((mark, n) => (
        <g key={n}>
          <line class="grid" x1={x(mark)} x2={x(mark)} y1={0} y2={bottom} />
          <text x={x(mark)} y={bottom + 17} text-anchor={n === 0 ? 'start' : n === 4 ? 'end' : 'middle'}>
            {shown(onSite(one.opened_at, mark))}
          </text>
        </g>
      ))}
      {inside(began) ? <line class="beginning" x1={x(began)} x2={x(began)} y1={0} y2={bottom} /> : null}
      {lanes.map((lane, n) => (
        <g key={n} transform={`translate(0 ${n * LANE})`} data-lane={lane.of}>
          <text class="lane" x={0} y={20}>
            {lane.name.length > NAME_CHARS ? `${lane.name.slice(0, NAME_CHARS)}…` : lane.name}
            <title>{lane.name}</title>
          </text>
          {lane.bars.map((bar, m) =>
            bar.to < from || bar.from > to ? null : (
              <rect key={m} class={bar.kind} x={x(bar.from)} y={8} width={Math.max(3, x(bar.to) - x(bar.from))} height={14} rx={2} onClick={lane.of === 'clip' ? () => seek(one, bar.from) : undefined}>
                <title>{bar.label}</title>
              </rect>
            ),
          )}
          {lane.dots.map((dot, m) =>
            inside(dot.time) ? (
              <circle key={m} class={dot.kind} cx={x(dot.time)} cy={15} r={6}>
                <title>{dot.label}</title>
              </circle>
            ) : null,
          )}
        </g>
      ))}
    </svg>
  );
}
