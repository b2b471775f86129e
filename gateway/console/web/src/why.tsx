// Why a case was raised and joined, in the officer's words; the sentence of the record stands beneath.

import { incidentHash } from './route';
import { language, t, word } from './words';
import { text } from './parts';
import type { Case } from './types';

/** Sources by their names: the record has ids. */
function named(sentence: string, one: Case): string {
  return one.sources.reduce((text, { id, name }) => {
    if (name === '' || name === id) return text;
    const whole = new RegExp(`(^|[^\\w-])${id.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\w-])`, 'g');
    return text.replace(whole, (_, before: string) => before + name);
  }, sentence);
}

export function Why({ one }: { one: Case }) {
  const fusion = one.detail?.['fusion'];
  const joined = Array.isArray(fusion) ? (fusion as Record<string, unknown>[]) : [];
  const related = one.detail?.['related'];
  const before = Array.isArray(related) ? related.filter((id): id is string => typeof id === 'string') : [];
  const words = one.why_words ?? [];
  const isChinese = language.value === 'zh' && words.length > 0;
  return (
    <section class="why">
      <h3>{t('case.why')}</h3>
      {isChinese ? (
        <ul data-why>
          {words.map((sentence, n) => (
            <li key={n} lang={sentence.code === 'said' ? 'en' : undefined} data-code={sentence.code}>
              {sentence.code === 'said' ? sentence.zh : named(sentence.zh, one)}
            </li>
          ))}
        </ul>
      ) : (
        <p lang="en">{one.why}</p>
      )}
      {isChinese ? (
        <details class="original">
          <summary>{t('case.why_original')}</summary>
          <p lang="en">{one.why}</p>
        </details>
      ) : null}
      {joined.length + before.length === 0 ? null : (
        <>
          <h3>{t('case.joined')}</h3>
          <ul>
            {joined.map((part, n) => (
              <li key={n}>
                {word('join', String(part['rule'] ?? ''))} · <Part id={text(part['incident'])} name={text(part['source'])} one={one} />
                {typeof part['apart_m'] === 'number' ? ` · ${t('case.apart', { m: Math.round(part['apart_m']) })}` : ''}
              </li>
            ))}
            {before.map((id) => (
              <li key={id}>
                {t('case.related')} <Part id={id} name={undefined} one={one} />
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

function Part({ id, name, one }: { id: string | undefined; name: string | undefined; one: Case }) {
  if (id !== undefined) return <a href={incidentHash(id)}>{t('case.other')}</a>;
  const source = one.sources.find((source) => source.id === name);
  return <>{source === undefined ? name : `${word('source', source.kind)} ${source.name || source.id}`}</>;
}
