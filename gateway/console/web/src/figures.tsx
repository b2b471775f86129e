// The district's figures of a month, as the gateway counts them, with simple charts, and the spreadsheet a tap away.

import { useState } from 'preact/hooks';
import { useAgain } from './again';
import { AlarmRate } from './alarm_rate';
import { call } from './api';
import { ByDay, Most, type FigureRow } from './figures_charts';
import { overview } from './state';
import { clockOff, onSite } from './time';
import { language, t, word, type Key } from './words';

/** A month is counted from its records for each page that is open. */
const AGAIN_MS = 300_000;
const GROUPS = ['none', 'grid', 'community', 'kind', 'source', 'department'] as const;
type Counts = Record<string, unknown>;
interface Told { rows: FigureRow[]; total: Counts }

/** Name in the answer, and heading in both languages: the district's own words. */
const COLUMNS: [string, Key][] = [
  ['reported', 'figure.reported'],
  ['valid', 'figure.valid'],
  ['dismissed', 'figure.dismissed'],
  ['due', 'figure.due'],
  ['closed', 'figure.closed'],
  ['closing_rate', 'figure.closing_rate'],
  ['closed_in_time', 'figure.closed_in_time'],
  ['in_time_rate', 'figure.in_time_rate'],
  ['open', 'figure.open'],
  ['overdue', 'figure.overdue'],
  ['accept.in_time_rate', 'figure.accept_rate'],
  ['dispatch.in_time_rate', 'figure.dispatch_rate'],
  ['handle.in_time_rate', 'figure.handle_rate'],
  ['verify.in_time_rate', 'figure.verify_rate'],
];

/** A figure by its name, that of a step behind its point. */
function figure(counts: Counts, name: string): unknown {
  return name.split('.').reduce<unknown>((all, key) => (all as Counts | undefined)?.[key], counts);
}

/** Of the site: by its own offset, which the gateway's time bears, whatever zone this screen has. */
function thisMonth(): string {
  return onSite(overview.value?.at, Date.now() + clockOff.value).slice(0, 7);
}

export function Figures() {
  const [month, setMonth] = useState(thisMonth);
  const [group, setGroup] = useState<(typeof GROUPS)[number]>('none');
  const [told, setTold] = useState<Told | null>(null);
  const [days, setDays] = useState<FigureRow[]>([]);
  const [wrong, setWrong] = useState('');
  useAgain(
    AGAIN_MS,
    (gone) =>
      void call<Told>('GET', `/api/v1/figures?month=${month}&group=${group}`).then(
        (next) => gone() || (setTold(next), setWrong('')),
        (error: Error) => gone() || setWrong(t('figures.failed', { why: error.message })),
      ),
    [month, group],
  );
  useAgain(
    AGAIN_MS,
    (gone) =>
      void call<Told>('GET', `/api/v1/figures?month=${month}&by=day`).then(
        (next) => gone() || setDays(next.rows),
        () => gone() || setDays([]),
      ),
    [month],
  );
  return (
    <main class="sheet" id="main">
      <h1>{t('figures.title')}</h1>
      <div class="controls">
        <label>
          {t('figures.month')} <input type="month" value={month} onInput={(event) => event.currentTarget.value !== '' && setMonth(event.currentTarget.value)} />
        </label>
        <label>
          {t('figures.by')}{' '}
          <select value={group} onChange={(event) => setGroup(event.currentTarget.value as typeof group)}>
            {GROUPS.map((one) => (
              <option key={one} value={one}>
                {word('figures.group', one)}
              </option>
            ))}
          </select>
        </label>
        <a class="button" href={`/api/v1/figures.xlsx?month=${month}`} download>
          {t('figures.xlsx')}
        </a>
        <a class="button" href={`/api/v1/figures.csv?month=${month}&group=${group}`} download>
          {t('figures.csv')}
        </a>
      </div>
      {wrong === '' ? null : <p class="warn">{wrong}</p>}
      <div class="charts">
        <ByDay rows={days} />
        {group === 'none' || told === null ? null : <Most rows={told.rows} of={word('figures.group', group)} />}
      </div>
      {told === null ? null : (
        <div class="scroll" tabIndex={0} role="group" aria-label={t('figures.title')} lang={language.value === 'zh' ? 'zh-CN' : 'en'}>
          <table class="numbers">
            <thead>
              <tr>
                <th scope="col">{t('figures.group')}</th>
                {COLUMNS.map(([name, key]) => (
                  <th key={name} scope="col">
                    {t(key)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {group === 'none' ? null : told.rows.map((row, n) => <Row key={n} name={row.group?.name ?? row.group?.id ?? '—'} counts={row} />)}
              <Row name={t('figures.total')} counts={told.total} />
            </tbody>
          </table>
        </div>
      )}
      <AlarmRate />
    </main>
  );
}

function Row({ name, counts }: { name: string; counts: Counts }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      {COLUMNS.map(([column]) => {
        const value = figure(counts, column);
        const shown = typeof value !== 'number' ? '—' : column.endsWith('_rate') ? `${(value * 100).toFixed(2)} %` : String(value);
        return <td key={column}>{shown}</td>;
      })}
    </tr>
  );
}
