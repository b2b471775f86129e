// One incident whole: picture, clip, whom to call, limits, all sources on one time line, and what was done by whom.

import { useEffect, useState } from 'preact/hooks';
import { call, evidenceUrl, Refused } from './api';
import { TimeLine } from './timeline';
import { clip, Limit, Picture, picture, placeOf, Presses, Severity, Stage, text } from './parts';
import { go, incidentHash } from './route';
import { finished, isOver, open } from './state';
import { Steps } from './steps';
import { ago, at, clockS, day, now } from './time';
import { title } from './notices';
import type { Case, Step } from './types';
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
          <button type="button" class="plain print" onClick={() => window.print()}>
            {t('act.print')}
          </button>
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
      <Life one={one} />
      <Why one={one} />
      <p class="number">
        {t('case.number')} {one.incident} · r{one.revision}
        <span class="printed"> · {t('case.printed', { time: new Date(now.value).toLocaleString() })}</span>
      </p>
    </article>
  );
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
          </figcaption>
        </figure>
      )}
      {video === undefined ? null : (
        <figure>
          <video controls preload="none" src={evidenceUrl(video.id)} aria-label={t('case.clip')} />
          <figcaption>
            {t('case.clip')} {video.starts_at === undefined ? '' : `${clockS(video.starts_at)}–${clockS(video.ends_at ?? video.starts_at)}`}
            {video.pre_roll_ms === undefined || video.pre_roll_ms < 100 ? '' : ` · ${t('case.clip_from', { s: (video.pre_roll_ms / 1000).toFixed(1) })}`}
          </figcaption>
        </figure>
      )}
    </div>
  );
}

function Facts({ one }: { one: Case }) {
  const detail = one.detail ?? {};
  const head = [one.grid?.head, one.grid?.head_phone].filter(Boolean).join(' ');
  const department = one.department ?? [one.route?.department, one.route?.person, one.route?.phone].filter(Boolean).join(' ');
  const seen = one.objects.map((object) => `${word('object', object.label)} ×${object.count}`).join('、');
  const off = one.clock.error_ms;
  const rows: [string, string | undefined][] = [
    [t('case.person'), text(detail['person'])],
    [t('case.contact'), text(detail['contact'])],
    [t('case.note'), text(detail['note'])],
    [t('case.address'), text(detail['address']) ?? one.place?.text],
    [t('case.grid'), one.grid === undefined ? undefined : `${one.grid.name}${one.grid.community === undefined ? '' : ` · ${one.grid.community}`}`],
    [t('case.head'), text(head)],
    [t('case.department'), text(department)],
    [t('case.source'), one.sources.map((source) => `${word('source', source.kind)} ${source.name || source.id}`).join('、')],
    [t('case.seen'), text(seen)],
    [t('case.began'), `${day(one.began_at)} · ${one.active ? t('case.active') : t('case.over')}`],
    [t('limit.accept_by'), one.deadline === undefined ? undefined : day(one.deadline.accept_by, one.opened_at)],
    [t('limit.finish_by'), one.deadline === undefined ? undefined : day(one.deadline.finish_by, one.opened_at)],
  ];
  return (
    <div>
      <dl class="facts">
        {rows.map(([name, value]) =>
          value === undefined ? null : (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
        )}
      </dl>
      {one.clock.device !== undefined && off > 60_000 ? <p class="warn">{t('case.clock_off', { s: Math.round(off / 1000) })}</p> : null}
    </div>
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

function whatOf(step: Step): string {
  const more = [
    step.reason === undefined ? undefined : word('reason', step.reason),
    step.department,
    step.level === undefined ? undefined : word('level', step.level),
    step.until === undefined ? undefined : `→ ${day(step.until, step.at)}`,
  ].filter(Boolean);
  // The head of the grid is urged; those above him see to it.
  const isUrged = step.step === 'escalated' && step.level === 'grid-head';
  const name = word('step', isUrged ? 'urged' : step.self_handled === true && step.step === 'handled' ? 'self-handled' : step.step);
  return more.length === 0 ? name : `${name} (${more.join(' · ')})`;
}

const whoOf = (step: Step): string => (step.by === 'gridpost' ? t('case.by_gateway') : step.by);

function Why({ one }: { one: Case }) {
  const fusion = one.detail?.['fusion'];
  const joined = Array.isArray(fusion) ? (fusion as Record<string, unknown>[]) : [];
  const reply = text(one.detail?.['note_of_reply']);
  return (
    <section class="why">
      <h3>{t('case.why')}</h3>
      <p lang="en">{one.why}</p>
      {joined.length === 0 ? null : (
        <>
          <h3>{t('case.joined')}</h3>
          <ul>
            {joined.map((part, n) => (
              <li key={n}>
                {String(part['rule'] ?? '')} {String(part['source'] ?? part['incident'] ?? '')}
                {typeof part['apart_m'] === 'number' ? ` · ${Math.round(part['apart_m'])} m` : ''}
              </li>
            ))}
          </ul>
        </>
      )}
      {reply === undefined ? null : <p class="printed">{reply}</p>}
    </section>
  );
}
