// Pairing a screen on a wall: it shows a code until a commander has confirmed it.

import { useEffect, useState } from 'preact/hooks';
import { call, Refused } from './api';
import { go } from './route';
import type { Session } from './rights';
import { t } from './words';

const ASK_EVERY_MS = 2000;

export function PairWall({ onIn }: { onIn: (session: Session) => void }) {
  const [code, setCode] = useState('');
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    let gone = false;
    let timer = 0;
    let secret = '';
    const ask = async () => {
      try {
        if (secret === '') {
          const told = await call<{ code: string; secret: string }>('POST', '/api/v1/walls', {});
          if (gone) return;
          secret = told.secret;
          setCode(told.code);
        } else {
          const session = await call<Partial<Session>>('POST', '/api/v1/walls/claim', { secret });
          if (gone) return;
          if (session.account !== undefined) {
            go('#/', true);
            return onIn(session as Session);
          }
        }
        setFailed(false);
      } catch (error) {
        if (error instanceof Refused && error.status === 410) secret = '';
        else setFailed(true);
      }
      if (!gone) timer = window.setTimeout(() => void ask(), ASK_EVERY_MS);
    };
    void ask();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, []);
  return (
    <main class="login" id="main">
      <form>
        <h1>{t('wall.title')}</h1>
        <p class="wall-code" data-wall-code>
          {code === '' ? '…' : code}
        </p>
        <p class="hint">{t('wall.hint')}</p>
        <p class="warn" role="alert">
          {failed ? t('login.unreachable') : ''}
        </p>
        <a class="hint" href="#/">
          {t('wall.back')}
        </a>
      </form>
    </main>
  );
}
