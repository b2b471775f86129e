// One incident whole: picture, clip, whom to call, limits, all sources on one time line, and what was done by whom.

import { useEffect, useState } from 'preact/hooks';
import { call, evidenceUrl, Refused } from './api';
import { Export } from './export';
import { FactList, type FactRow } from './facts';
import { whatOf, whoOf } from './life';
import { Limits } from './limits';
import { TimeLine } from './timeline';
import { clip, Limit, Picture, picture, placeOf, Presses, Severity, Stage, text } from './parts';
import { go, incidentHash, mapHash } from './route';
import { finished, isOver, open } from './state';
import { Steps } from './steps';
import { ago, at, clockS, day, now } from './time';
import { say, title } from './notices';
import type { Case } from './types';
import { Why } from './why';
import { t, word } from './words';

export function Incident({ id }: { id: string }) {
  const [kept, setKept] = useState<Case | null>(null);
  const [gone, setGone] = useState<string | null>(null);
  const live = open.value.get(id) ?? finished.value.find((one) => one.incident === id);
  const known = live !== undefined;
  useEffect(() => {
    if (known) return;
    call<Case>('GET', `/api/v1/incidents/${encodeURIComponent(id)}`).then(setKept, (error: unknown) => {
      setGone(error instanceof Refused && error.status === 404 ? t('case.gone') : t('case.unread'));
    });
  }, [id, known]);
  const one = live ?? kept;
  if (one === null) return <p class="hint">{gone ?? t('list.loading')}</p>;
  return <Whole one={one} />;
}

function Whole({ one }: { one: Case }) {
  return (
    <article class={`case s${one.severity}`} data-case={one.incident} data-stage={one.stage}>
      <header>
        <button type="button" class="plain back" onClick={() => go('#/')}>
          ← {t('act.back')}
        </button>
        <div class="head">
          <Severity one={one} />
          <Stage one={one} />
          <Presses one={one} />
          {one.suspended_until === undefined ? null : <span class="stage">{t('case.suspended')}</span>}
          {one.detail?.['drill'] === true ? <span class="stage drill">{t('case.drill')}</span> : null}
          <span class="ago">{ago(one.opened_at)}</span>
          <Tools one={one} />
          <Export one={one} />
        </div>
        <h2>{title(one)}</h2>
        <p class="where">{placeOf(one)}</p>
      </header>
      {isOver(one) ? <Over one={one} /> : <Limit one={one} />}
      {one.asked === undefined ? null : (
        <p class="warn">
          {word('asked', one.asked.what)} · {one.asked.by} {day(one.asked.at, one.opened_at)}
        </p>
      )}
      <Steps one={one} />
      <div class="columns">
        <Evidence one={one} />
        <Facts one={one} />
      </div>
      <TimeLine one={one} />
      <div class="columns">
        <Life one={one} />
        <div>
          <Limits one={one} />
          <Answers one={one} />
        </div>
      </div>
      <Why one={one} />
      <p class="number">
        {t('case.number')} {one.incident} · r{one.revision}
        <span class="printed"> · {t('case.printed', { time: new Date(now.value).toLocaleString() })}</span>
      </p>
    </article>
  );
}

function Tools({ one }: { one: Case }) {
  return (
    <span class="print">
      <a class="button plain" href={mapHash(one.kind === 'patrol' ? 'f' : 'i', one.incident)} data-to-map>
        {t('act.map')}
      </a>
      <button type="button" class="plain" onClick={() => void copyLink(one)}>
        {t('act.link')}
      </button>
      <button type="button" class="plain" onClick={() => window.print()}>
        {t('act.print')}
      </button>
    </span>
  );
}

/** A browser gives its clipboard over https and on the machine itself alone; else the address is shown. */
async function copyLink(one: Case): Promise<void> {
  const link = `${location.origin}/${incidentHash(one.incident)}`;
  try {
    await navigator.clipboard.writeText(link);
    say(t('act.copied'), 'good');
  } catch {
    say(link);
  }
}

/** How it ended. */
function Over({ one }: { one: Case }) {
  if (one.merged_into !== undefined) {
    return (
      <p class="hint">
        {t('case.merged_note')} <a href={incidentHash(one.merged_into)}>{one.merged_into}</a>
      </p>
    );
  }
  return <p class="hint">{t(one.stage === 'dismissed' ? 'case.dismissed_note' : 'case.closed_note')}</p>;
}

function Evidence({ one }: { one: Case }) {
  const shot = picture(one);
  const video = clip(one);
  if (shot === undefined && video === undefined) return null;
  return (
    <div class="evidence">
      {shot === undefined ? null : (
        <figure>
          <Picture piece={shot} alt={`${t('case.picture')}: ${title(one)}`} />
          <figcaption>
            {t('case.picture')} {shot.starts_at === undefined ? '' : clockS(shot.starts_at)}
            {one.evidence.some((piece) => piece.original_of === shot.id) ? ` · ${t('case.blurred')}` : ''}
          </figcaption>
        </figure>
      )}
      {video === undefined ? null : (
        <figure>
          <video controls preload="none" src={evidenceUrl(video.id)} aria-label={t('case.clip')} />
          <figcaption>
            {t('case.clip')} {video.starts_at === undefined ? '' : `${clockS(video.starts_at)}–${clockS(video.ends_at ?? video.starts_at)}`}
            {` · ${t(video.kept_here === true ? 'case.kept_here' : 'case.not_blurred')}`}
            {video.pre_roll_ms === undefined || video.pre_roll_ms < 100 ? '' : ` · ${t('case.clip_from', { s: (video.pre_roll_ms / 1000).toFixed(1) })}`}
          </figcaption>
        </figure>
      )}
    </div>
  );
}

/** How many devices were there when it opened: `40`, or `<10`. */
function presence(told: unknown): string | undefined {
  if (typeof told !== 'object' || told === null) return undefined;
  const { devices, name, as_of } = told as { devices?: number | string; name?: string; as_of?: string };
  if (devices === undefined || as_of === undefined) return undefined;
  return t('case.presence_of', { n: devices, name: name ?? '', at: day(as_of) });
}

function Facts({ one }: { one: Case }) {
  const detail = one.detail ?? {};
  const head = [one.grid?.head, one.grid?.head_phone].filter(Boolean).join(' ');
  const department = one.department ?? [one.route?.department, one.route?.person, one.route?.phone].filter(Boolean).join(' ');
  const seen = one.objects.map((object) => `${word('object', object.label)} ×${object.count}`).join('、');
  const off = one.clock.error_ms;
  const rows: FactRow[] = [
    [t('case.person'), text(detail['person'])],
    [t('case.contact'), text(detail['contact'])],
    [t('case.note'), text(detail['note'])],
    [t('case.address'), text(detail['address']) ?? one.place?.text],
    [t('case.grid'), one.grid === undefined ? undefined : `${one.grid.name}${one.grid.community === undefined ? '' : ` · ${one.grid.community}`}`],
    [t('case.head'), text(head)],
    [t('case.department'), text(department)],
    [t('case.source'), one.sources.map((source) => `${word('source', source.kind)} ${source.name || source.id}`).join('、')],
    [t('case.seen'), text(seen)],
    [t('case.presence'), presence(detail['presence'])],
    [t('case.began'), `${day(one.began_at)} · ${one.active ? t('case.active') : t('case.over')}`],
  ];
  return (
    <div>
      <FactList rows={rows} />
      {one.clock.device !== undefined && off > 60_000 ? <p class="warn">{t('case.clock_off', { s: Math.round(off / 1000) })}</p> : null}
    </div>
  );
}

/** What the grid has said so far. */
function Answers({ one }: { one: Case }) {
  const taken = one.steps ?? [];
  const handled = taken.filter((step) => step.step === 'handled' || step.step === 'self-handled').at(-1);
  const rows: FactRow[] = [
    [t('answer.accepted'), one.accepted_by === undefined ? undefined : `${one.accepted_by} ${day(one.accepted_at ?? one.changed_at, one.opened_at)}`],
    [t('answer.department'), one.department],
    [t('answer.handled'), handled === undefined ? undefined : `${whoOf(handled)} ${day(handled.at, one.opened_at)}`],
    [t('answer.note'), text(one.detail?.['note_of_reply'])],
  ];
  return (
    <section>
      <h3>{t('answer.title')}</h3>
      {rows.every(([, value]) => value === undefined) ? <p class="hint">{t('answer.none')}</p> : <FactList rows={rows} />}
    </section>
  );
}

function Life({ one }: { one: Case }) {
  const taken = one.steps ?? [];
  const points: { time: string; what: string; who: string; note: string | undefined; loud: boolean }[] = [
    { time: one.began_at, what: t('case.began'), who: '', note: undefined, loud: false },
    { time: one.opened_at, what: t('case.opened'), who: '', note: undefined, loud: false },
    ...taken.map((step) => ({ time: step.at, what: whatOf(step), who: whoOf(step), note: step.note, loud: step.step === 'escalated' || step.step === 'lapsed' })),
  ];
  if (one.ended_at !== undefined) points.push({ time: one.ended_at, what: t('case.ended'), who: '', note: undefined, loud: false });
  points.sort((a, b) => at(a.time) - at(b.time));
  return (
    <section>
      <h3>{t('case.life')}</h3>
      <ol class="life">
        {points.map((point, n) => (
          <li key={n} class={point.loud ? 'loud' : ''}>
            <time dateTime={point.time}>{day(point.time, one.opened_at)}</time>
            <span>
              <strong>{point.what}</strong> {point.who}
              {point.note === undefined ? null : <em> “{point.note}”</em>}
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}
