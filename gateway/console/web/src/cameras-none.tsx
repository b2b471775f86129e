// No camera yet: what to do, step by step, with a search of the network.

import { useState } from 'preact/hooks';
import { call } from './api';
import { t } from './words';

interface Found { onvif: string; name?: string; hardware?: string; trouble?: string; sources: { source?: string }[] }

/** As a TOML string; a dollar sign is just that. */
const quoted = (text: string): string => JSON.stringify(text.replaceAll('$', '$$$$'));

function lines(one: Found): string {
  const host = one.onvif.replace(/^.*:\/\//, '').replace(/[/?#].*$/, '').replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '');
  const sources = one.sources.length === 0 ? [{}] : one.sources;
  return sources
    .map((source: { source?: string }, n) =>
      [
        '[[camera]]',
        `id = ${quoted(`camera-${host}${n === 0 ? '' : `-${n + 1}`}`)}`,
        ...(one.name === undefined ? [] : [`name = ${quoted(one.name)}`]),
        `onvif = ${quoted(one.onvif)}`,
        ...(source.source === undefined ? [] : [`onvif_source = ${quoted(source.source)}`]),
        'username = "viewer"',
        'password_file = "/etc/gridpost/camera-password"',
      ].join('\n'),
    )
    .join('\n\n');
}

const EXAMPLE = '[[camera]]\nid = "gate"\nurl = "rtsp://192.0.2.10:554/stream1"\nusername = "viewer"\npassword_file = "/etc/gridpost/camera-password"';

export function NoCameras() {
  const [found, setFound] = useState<Found[] | null>(null);
  const [isLooking, setLooking] = useState(false);
  const [wrong, setWrong] = useState('');
  const look = () => {
    setLooking(true);
    setWrong('');
    call<{ found: Found[] }>('POST', '/api/v1/cameras/find', {})
      .then(
        (told) => setFound(told.found),
        (error: Error) => setWrong(t('find.failed', { why: error.message })),
      )
      .finally(() => setLooking(false));
  };
  return (
    <main class="sheet first" id="main" data-no-cameras>
      <h1>{t('find.title')}</h1>
      <ol class="steps-first">
        <li>
          <h2>{t('find.look')}</h2>
          <button type="button" class="main" disabled={isLooking} onClick={look} data-find>
            {t(isLooking ? 'find.looking' : 'find.go')}
          </button>
          {wrong === '' ? null : <p class="warn">{wrong}</p>}
          {found === null ? null : <p>{t(found.length === 0 ? 'find.nothing' : 'find.found', { n: found.length })}</p>}
          {found?.map((one) => (
            <div key={one.onvif}>
              <strong>{one.name ?? one.hardware ?? one.onvif}</strong>
              {one.trouble === undefined ? null : <p class="hint" lang="en">{one.trouble}</p>}
              <pre tabIndex={0}>{lines(one)}</pre>
            </div>
          ))}
        </li>
        <li>
          <h2>{t('find.write')}</h2>
          <p>{t('find.write_hint')}</p>
          {found === null || found.length === 0 ? <pre tabIndex={0}>{EXAMPLE}</pre> : null}
        </li>
        <li>
          <h2>{t('find.check')}</h2>
          <p>{t('find.check_hint')}</p>
          <pre tabIndex={0}>{'gridpost check /etc/gridpost/gridpost.toml\nsystemctl reload gridpost'}</pre>
        </li>
        <li>
          <h2>{t('find.draw')}</h2>
          <p>{t('find.draw_hint')}</p>
        </li>
      </ol>
    </main>
  );
}
