// The screen that is always open: one list, urgent first, and the incident that was chosen beside it.

import { useEffect, useRef, useState } from 'preact/hooks';
import { Incident } from './incident';
import { chosen, filter, find, held, release, shown, touch, waiting, type Filter } from './order';
import { Limit, Picture, picture, placeOf, Presses, Severity, Stage } from './parts';
import { go, incidentHash } from './route';
import { finished, isOver, link, open, overview } from './state';
import { Steps } from './steps';
import { ago, clock } from './time';
import { title } from './notices';
import type { Case } from './types';
import { t, word } from './words';

const FILTERS: Filter[] = ['all', 'urgent', 'unaccepted', 'late'];
/** Rows on the page at once, and how many more a tap shows. */
const ROWS = 200;

export function Now() {
  const id = chosen.value;
  return (
    <main class={id === null ? 'now' : 'now has-case'} id="main">
      <List />
      <section class="pane" aria-label={t('act.open')} key={id ?? ''}>
        {id === null ? <p class="hint">{t('case.pick')}</p> : <Incident id={id} />}
      </section>
    </main>
  );
}

function List() {
  const list = useRef<HTMLDivElement>(null);
  const [most, setMost] = useState(ROWS);
  const ids = shown.value;
  const old = link.value === 'lost';
  const more = waiting.value;
  const left = overview.value?.left_out ?? 0;
  return (
    <section class={old ? 'list old' : 'list'} aria-label={t('list.title')}>
      <header>
        <h1>
          {t('list.title')} <span class="count">{t('list.count', { n: open.value.size + left })}</span>
        </h1>
        {held.value && more > 0 ? (
          <button type="button" class="new" onClick={() => (release(), list.current?.scrollTo({ top: 0 }))}>
            ↑ {t('list.new', { n: more })}
          </button>
        ) : null}
        <div class="filters" role="group" aria-label={t('list.filter')}>
          {FILTERS.map((one) => (
            <button key={one} type="button" aria-pressed={filter.value === one} onClick={() => ((filter.value = one), release())}>
              {word('filter', one)}
            </button>
          ))}
        </div>
      </header>
      <div
        class="rows"
        ref={list}
        onPointerMove={touch}
        onPointerDown={touch}
        onWheel={touch}
        onTouchMove={touch}
        onScroll={touch}
        data-rows
      >
        {overview.value === null ? <p class="hint">{t('list.loading')}</p> : null}
        {overview.value !== null && ids.length === 0 ? (
          <p class="hint">
            <strong>{t('list.empty')}</strong>
            <br />
            {t('list.empty_hint')}
          </p>
        ) : null}
        <ul>
          {ids.slice(0, most).map((one) => {
            const found = find(one);
            return found === undefined ? null : <Row key={one} one={found} />;
          })}
        </ul>
        {ids.length > most ? (
          <button type="button" class="more" onClick={() => setMost(most + ROWS)} data-more>
            {t('list.more', { n: Math.min(ROWS, ids.length - most), all: ids.length - most })}
          </button>
        ) : null}
        {left > 0 ? <p class="hint">{t('list.left_out', { n: left })}</p> : null}
        {finished.value.length > 0 ? <Recent /> : null}
      </div>
    </section>
  );
}

function Row({ one }: { one: Case }) {
  const row = useRef<HTMLLIElement>(null);
  const mine = chosen.value === one.incident;
  useEffect(() => {
    if (mine) row.current?.scrollIntoView({ block: 'nearest' });
  }, [mine]);
  const shot = picture(one);
  const over = isOver(one);
  return (
    <li ref={row} class={`row s${one.severity} ${mine ? 'mine' : ''} ${over ? 'over' : ''}`} data-incident={one.incident} data-revision={one.revision} data-stage={one.stage}>
      <a href={incidentHash(one.incident)} aria-current={mine ? 'true' : undefined}>
        {shot === undefined ? <Glyph one={one} /> : <Picture piece={shot} small alt="" />}
        <span class="what">
          <span class="first">
            <Severity one={one} />
            <span class="ago">{ago(one.opened_at)}</span>
          </span>
          <strong>{title(one)}</strong>
          <span class="where">{placeOf(one)}</span>
          <span class="end">
            {over || one.stage !== 'opened' ? <Stage one={one} /> : null}
            <Presses one={one} />
            {over ? null : <Limit one={one} />}
          </span>
        </span>
      </a>
      {one.stage === 'opened' ? <Steps one={one} small /> : null}
    </li>
  );
}

/** In place of a picture: what kind of source it is. */
function Glyph({ one }: { one: Case }) {
  const kind = one.sources[0]?.kind ?? 'unknown';
  return <span class="picture none glyph">{word('source', kind)}</span>;
}

function Recent() {
  return (
    <details class="recent">
      <summary>
        {t('list.recent')} · {finished.value.length}
      </summary>
      <ul>
        {finished.value.map((one) => (
          <li key={one.incident}>
            <a href={incidentHash(one.incident)}>
              {clock(one.changed_at)} {title(one)} · {word('stage', one.stage)}
            </a>
          </li>
        ))}
      </ul>
    </details>
  );
}

/** The next or the one before, by a key. */
export function move(by: number): void {
  const ids = shown.value;
  const here = ids.indexOf(chosen.value ?? '');
  const next = ids[here < 0 ? 0 : Math.min(ids.length - 1, Math.max(0, here + by))];
  if (next !== undefined) {
    touch();
    go(incidentHash(next), true);
  }
}
